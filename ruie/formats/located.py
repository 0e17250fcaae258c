"""Where the spans of a row are: at the offsets that it gives, or where their text occurs."""

from __future__ import annotations

from typing import Any

from ruie.formats import checks
from ruie.formats.row import RowError
from ruie.grounding import Grounder
from ruie.records import Span

MAX_SEARCHED = 100_000_000
"""Characters of one row."""
MAX_LISTED = 10
"""Positions that a message lists."""


class Locator:
    """Finds the spans of one text. most: characters that are looked through, all together."""

    def __init__(self, text: str, most: int = MAX_SEARCHED) -> None:
        self.text, self.most = text, most
        self._grounder = Grounder(text)
        self._searched = 0

    def span(self, raw: dict[str, Any]) -> Span:
        """A span as it is written: `start` and `end`; or `text` alone, if it occurs once; or `text`
        with `start`, or with `occurrence`, which counts from 1. Raises `RowError`."""
        name = raw.get("text")
        if "end" in raw or not isinstance(name, str) or not name:
            return checks.span(self.text, checks.need(raw, "start"), checks.need(raw, "end"), name)
        if "start" in raw:
            start = raw["start"]
            end = start + len(name) if type(start) is int else None
            return checks.span(self.text, start, end, name)
        return self._chosen(name, raw.get("occurrence"))

    def _chosen(self, name: str, occurrence: object) -> Span:
        self._searched += len(self.text)
        if self._searched > self.most:
            raise RowError(
                f"{checks.short(name)} has no 'start', like too many before it to look for all of"
                " them",
                "Write the offsets of the first character and after the last.",
            )
        places = checks.occurrences(self.text, name, self._grounder)
        if not places:
            raise RowError(
                f"{checks.short(name)} does not occur in the text",
                "Copy it from the text, letter by letter.",
            )
        if occurrence is None and len(places) == 1:
            return places[0]
        if type(occurrence) is int and 1 <= occurrence <= len(places):
            return places[occurrence - 1]
        listed = ", ".join(str(place.start) for place in places[:MAX_LISTED])
        more = ", …" if len(places) > MAX_LISTED else ""
        times = "once" if len(places) == 1 else f"{len(places)} times"
        given = "" if occurrence is None else f", and 'occurrence' is {checks.short(occurrence)}"
        raise RowError(
            f"{checks.short(name)} occurs {times}, at {listed}{more}{given}",
            f'Say which: "start": {places[-1].start}, or "occurrence": {len(places)}, which counts'
            " from 1.",
        )
