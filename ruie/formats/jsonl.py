"""The project's own layout: JSONL, one text per line.

    {"id", "text", "entities":  [{"type", "text", "start", "end"}]}
    {"id", "text", "relations": [{"type", "head": {"text", "start", "end"}, "tail": {...}}]}
    {"id", "text", "events":    [{"type", "trigger": {...}, "arguments": [{"role", ...}]}]}

`start` and `end` count Unicode characters, end exclusive; they may be left out of a span whose text
occurs once (ruie/formats/located.py). A row may hold several of the three. A key that is present
means that the row was annotated for it, even if its list is empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruie.formats import checks
from ruie.formats.files import lines
from ruie.formats.located import Locator
from ruie.formats.row import AnnotatedRow, Place, Problem, RowError, RowOrProblem
from ruie.records import Item, Span, Task

KEYS = {Task.NER: "entities", Task.RE: "relations", Task.ED: "events"}
"""The key of each task's records."""


def read_jsonl(path: Path, nulls: bool = False) -> Iterator[RowOrProblem]:
    """The rows of a file, and a problem for each that is wrong. nulls: whether null in the place of
    a list is like no key. Raises `AnnotationError` if the file cannot be read."""
    for number, line in lines(path):
        if isinstance(line, Problem):
            yield line
        elif line.strip():
            place = Place(str(path), number)
            try:
                raw = checks.parsed(line)
                if nulls:
                    absent = [key for key in KEYS.values() if key in raw and raw[key] is None]
                    raw = {key: value for key, value in raw.items() if key not in absent}
                yield _row(raw, place)
            except RowError as error:
                yield error.at(place)


def from_body(body: dict[str, Any]) -> AnnotatedRow:
    """A row that was read before and kept as JSON. Raises `RowError` where it is none."""
    return _row(body, Place(""))


def row_id(raw: dict[str, Any], number: int | None) -> str:
    """A row's own id, or else its number."""
    if (given := raw.get("id")) is None or given == "":
        return str(number)
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise RowError("'id' is neither a string nor a number")
    return checks.encodable(str(given), "id")


def _row(raw: dict[str, Any], place: Place) -> AnnotatedRow:
    text = checks.checked_text(checks.need(raw, "text"), "text")
    locator = Locator(text)
    gold: dict[Task, tuple[Item, ...]] = {}
    arguments: tuple[tuple[Item, ...], ...] = ()
    if "entities" in raw:
        gold[Task.NER] = tuple(
            _item(e, "type", locator, e) for e in checks.objects(raw, "entities")
        )
    if "relations" in raw:
        gold[Task.RE] = tuple(
            _item(r, "type", locator, _piece(r, "head"), _piece(r, "tail"))
            for r in checks.objects(raw, "relations")
        )
    if "events" in raw:
        events = checks.objects(raw, "events")
        gold[Task.ED] = tuple(_item(e, "type", locator, _piece(e, "trigger")) for e in events)
        arguments = tuple(
            tuple(_item(a, "role", locator, a) for a in checks.objects(e, "arguments"))
            if "arguments" in e
            else ()
            for e in events
        )
    if not gold:
        raise RowError("none of 'entities', 'relations', 'events' is there")
    return AnnotatedRow(row_id(raw, place.line), text, gold, arguments, place)


def _piece(raw: dict[str, Any], key: str) -> dict[str, Any]:
    return checks.checked_object(checks.need(raw, key), f"'{key}'")


def _item(raw: dict[str, Any], key: str, locator: Locator, *pieces: dict[str, Any]) -> Item:
    spans = tuple(locator.span(piece) for piece in pieces)
    return Item(checks.label(checks.need(raw, key), key), spans)


def to_line(row: AnnotatedRow) -> str:
    """A row as a line of this layout, without the line end; `read_jsonl` reads the same row from
    it."""
    written: dict[str, Any] = {"id": row.id, "text": row.text}
    if Task.NER in row.gold:
        written["entities"] = [{"type": i.type, **_span(i.spans[0])} for i in row.gold[Task.NER]]
    if Task.RE in row.gold:
        written["relations"] = [
            {"type": i.type, "head": _span(i.spans[0]), "tail": _span(i.spans[1])}
            for i in row.gold[Task.RE]
        ]
    if Task.ED in row.gold:
        written["events"] = [
            {
                "type": event.type,
                "trigger": _span(event.spans[0]),
                "arguments": [{"role": a.type, **_span(a.spans[0])} for a in arguments],
            }
            for event, arguments in zip(row.gold[Task.ED], row.arguments, strict=True)
        ]
    return json.dumps(written, ensure_ascii=False)


def _span(span: Span) -> dict[str, Any]:
    return {"text": span.text, "start": span.start, "end": span.end}
