"""The JSON of IE INSTRUCTIONS, the collection of InstructUIE (arXiv 2304.08085): a list of rows, or
one row per line.

    {"sentence": "Shell owns Pernis.",
     "entities": [{"name": "Shell", "type": "organization", "pos": [0, 5]}],
     "relations": [{"head": {"name", "type", "pos"}, "type": "owns", "tail": {...}}],
     "events": [{"trigger": "owns", "type": "Possess", "pos": [6, 10],
                 "arguments": [{"name", "role", "pos"}]}]}

In that collection some `pos` are missing or wrong. Such a name is located in the text, if it occurs
only once: silently if `pos` is missing, reported as repaired if it is wrong. The types `""` and
`NA` mean that there is nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruie.errors import AnnotationError
from ruie.formats import checks
from ruie.formats.files import content, lines
from ruie.formats.jsonl import row_id
from ruie.formats.row import AnnotatedRow, Place, Problem, RowError, RowOrProblem
from ruie.records import Item, Span, Task

NOTHING = ("", "NA")
"""Types that annotate nothing."""


def read_instructions(path: Path) -> Iterator[RowOrProblem]:
    """The rows of a file, and a problem for each that is wrong or was repaired. Raises
    `AnnotationError` if the file, or the list in it, cannot be read to its end."""
    for number, (line, raw) in enumerate(_rows(path), start=1):
        if isinstance(raw, Problem):
            yield raw
            continue
        place = Place(str(path), line)
        try:
            sentence = _Sentence(raw if isinstance(raw, dict) else checks.parsed(raw))
            row = AnnotatedRow(
                row_id(sentence.raw, number), sentence.text, *sentence.annotations(), place
            )
        except RowError as error:
            yield error.at(place)
            continue
        if sentence.repaired:
            yield Problem(
                place, sentence.repaired, "Correct 'pos' if another occurrence is meant.", 0
            )
        yield row


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | str | Problem]]:
    raw = content(path)
    if raw.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"[":
        # what is not UTF-8 becomes lone surrogates, which are a problem of their row alone
        yield from _listed(path, raw.decode(errors="surrogateescape").removeprefix("\ufeff"))
    else:
        yield from (
            (n, line) for n, line in lines(path) if not isinstance(line, str) or line.strip()
        )


def _listed(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any] | Problem]]:
    """The members of a JSON list with their lines, without the whole list in memory."""
    decoder = json.JSONDecoder()
    line, counted = 1, 0
    at = _past_space(text, text.index("[") + 1)
    while text[at : at + 1] != "]":
        line += text.count("\n", counted, at)
        counted = at
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            place = Place(str(path), getattr(error, "lineno", line))
            reason = getattr(error, "msg", "nested too deeply, or a number too long")
            raise AnnotationError(
                f"{place}: this is not JSON ({reason}).", "Correct it; the file may be cut off."
            ) from None
        if isinstance(value, dict):
            yield line, value
        else:
            yield line, RowError("the row is not a JSON object").at(Place(str(path), line))
        at = _past_space(text, at)
        if text[at : at + 1] == ",":
            at = _past_space(text, at + 1)


def _past_space(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\n", "\r", "\t"):
        at += 1
    return at


class _Sentence:
    """One row while it is read; `repaired` says what was corrected in it."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.text = checks.checked_text(checks.need(raw, "sentence"), "sentence")
        self.repaired = ""

    def annotations(self) -> tuple[dict[Task, tuple[Item, ...]], tuple[tuple[Item, ...], ...]]:
        """The row's gold items and its events' arguments. Raises `RowError`."""
        gold: dict[Task, tuple[Item, ...]] = {}
        arguments: tuple[tuple[Item, ...], ...] = ()
        if "entities" in self.raw:
            gold[Task.NER] = tuple(self.item(e, "type", e) for e in self.typed("entities"))
        if "relations" in self.raw:
            gold[Task.RE] = tuple(
                self.item(r, "type", *(checks.checked_object(checks.need(r, k), f"'{k}'")
                                       for k in ("head", "tail")))
                for r in self.typed("relations")
            )  # fmt: skip  # the two ends are one generator
        if "events" in self.raw:
            events = self.typed("events")
            gold[Task.ED] = tuple(self.item(e, "type", e, key="trigger") for e in events)
            arguments = tuple(
                tuple(self.item(a, "role", a) for a in checks.objects(e, "arguments"))
                if "arguments" in e
                else ()
                for e in events
            )
        if not gold:
            raise RowError("none of 'entities', 'relations', 'events' is there")
        return gold, arguments

    def typed(self, key: str) -> list[dict[str, Any]]:
        return [raw for raw in checks.objects(self.raw, key) if raw.get("type") not in NOTHING]

    def item(
        self, raw: dict[str, Any], kind: str, *pieces: dict[str, Any], key: str = "name"
    ) -> Item:
        spans = tuple(self.span(checks.need(piece, key), piece.get("pos"), key) for piece in pieces)
        return Item(checks.label(checks.need(raw, kind), kind), spans)

    def span(self, name: object, pos: object, key: str) -> Span:
        if not isinstance(name, str) or not name:
            raise RowError(f"'{key}' is not text")
        match pos:
            case [int(start), int(end)] if 0 <= start < end and self.text[start:end] == name:
                return checks.span(self.text, start, end)
        places = checks.occurrences(self.text, name)
        if len(places) != 1:
            occurs = f"occurs {len(places)} times" if places else "does not occur"
            raise RowError(
                f"'pos' is {checks.short(pos)}, and {checks.short(name)} {occurs}",
                "Write the offsets of the first character and after the last.",
            )
        if pos not in (None, []) and not self.repaired:
            start, end = places[0].start, places[0].end
            self.repaired = (
                f"'pos' is {checks.short(pos)}, but {checks.short(name)} is at {start}:{end}"
            )
        return places[0]
