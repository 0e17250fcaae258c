"""Annotated rows with their schema: gold data for scoring, demonstrations for prompting.

`ruie.formats` reads the rows; here they meet the schema that they were annotated with.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruie.errors import AnnotationError, SchemaError
from ruie.formats import (
    TOLERANCE,
    AnnotatedRow,
    Format,
    FormatOptions,
    Problem,
    Reading,
    collect,
)
from ruie.named_files import content
from ruie.records import Demonstration, Task, Trigger
from ruie.schema import Schema

MAX_LOGGED = 5
"""Problems that are logged one by one; the others are only counted."""

logger = logging.getLogger("ruie")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Annotated rows and the schema they were annotated with."""

    schema: Schema
    rows: tuple[AnnotatedRow, ...]
    problems: tuple[Problem, ...] = ()
    """What was wrong in the file, repaired or left out of `rows`."""
    format: Format = Format.JSONL

    def demonstrations(self) -> list[Demonstration]:
        """Every row as demonstrations: one for each task, and one for each event (EAE)."""
        return [demo for row in self.rows for demo in demonstrations(row, self.schema)]


def demonstrations(row: AnnotatedRow, schema: Schema) -> Iterator[Demonstration]:
    """The demonstrations of one row."""
    for task, items in row.gold.items():
        if not (labels := tuple(schema.labels(task))):
            continue
        yield Demonstration(f"{row.id}#{task}", task, schema.name, labels, row.text, items)
    for index, (event, arguments) in enumerate(
        zip(row.gold.get(Task.ED, ()), row.arguments, strict=True)
    ):
        if roles := tuple(schema.labels(Task.EAE, event.type)):
            trigger = Trigger(event.type, event.spans[0])
            name = f"{row.id}#{Task.EAE}{index}"
            yield Demonstration(name, Task.EAE, schema.name, roles, row.text, arguments, trigger)


def schema_demonstrations(schema: Schema) -> list[Demonstration]:
    """Those of the file that a schema names, of its types. Rows that are wrong are logged and left
    out; raises `AnnotationError` as `load_corpus` does."""
    if schema.demonstrations is None:
        return []
    rows = _checked(collect(schema.demonstrations).against(schema)).rows
    return [demonstration for row in rows for demonstration in demonstrations(row, schema)]


def load_corpus(
    path: Path,
    schema: Path | None = None,
    *,
    format: Format | None = None,
    tolerance: float = TOLERANCE,
    options: FormatOptions | None = None,
) -> Corpus:
    """Read annotated rows, in any of the formats of docs/data.md, with their schema.

    The schema is the file given; or one beside the rows, `oil.yaml` for `oil.train.jsonl`, else
    `schema.yaml` or `schema.json`, for IE INSTRUCTIONS also `labels.json`; or else the types that
    the rows show. Rows that are wrong are logged and left out. Raises `AnnotationError`, naming the
    first, if they are more than the share `tolerance` (0 to 1) or all; `SchemaError`;
    `UnavailableError` without the library that a format needs.
    """
    reading = collect(path, format, options)
    known = load_schema(schema) if schema else _schema_beside(reading)
    if known:
        reading = reading.against(known)
    _checked(reading, tolerance)
    return Corpus(
        known or infer_schema(path, reading.rows), reading.rows, reading.problems, reading.format
    )


def read_rows(path: Path) -> Iterator[AnnotatedRow]:
    """The rows of a file without their schema, those that are wrong logged and left out. Raises
    `AnnotationError` as `load_corpus` does."""
    yield from _checked(collect(path)).rows


def _checked(reading: Reading, tolerance: float = TOLERANCE) -> Reading:
    """The reading, after logging its first problems and how many there are. Raises
    `AnnotationError` if they are too many.

    Where logging is not configured, Python writes warnings to standard error as they are.
    """
    shown = sorted(reading.problems, key=lambda problem: not problem.rows)[:MAX_LOGGED]
    try:
        reading.check(tolerance)
    except AnnotationError:
        for problem in shown[1:]:  # the error itself names the first
            logger.warning("wrong     %s", problem)
        raise
    for problem in shown:
        logger.warning("%s  %s", "left out" if problem.rows else "repaired", problem)
    if shown:
        counts = (f"{n:,}" for n in (len(reading.rows), reading.left_out, reading.repaired))
        logger.warning("%s: %s rows used, %s left out, %s repaired", reading.path, *counts)
    return reading


def _schema_beside(reading: Reading) -> Schema | None:
    """The schema file beside a file of rows, or in their folder, if there is one."""
    path = reading.path
    folder = path if path.is_dir() else path.parent
    for name in (f"{path.name.split('.')[0]}.yaml", "schema.yaml", "schema.json"):
        if (file := folder / name).exists():
            return load_schema(file)
    if reading.format is Format.INSTRUCTIONS and (file := folder / "labels.json").exists():
        return _labels(file, reading.rows)
    return None


def load_schema(path: Path) -> Schema:
    """A schema file, or a corpus description (`dataset`, `task`, `labels`) in JSON."""
    if path.suffix == ".json":
        try:
            described = json.loads(content(path))
        except (OSError, ValueError, RecursionError):
            described = None
        if isinstance(described, dict) and {"dataset", "task", "labels"} <= described.keys():
            return _described_schema(path, described)
    return Schema.load(path)


def _described_schema(path: Path, described: dict[str, Any]) -> Schema:
    name = _utf8(str(described["dataset"]))
    match described["task"], described["labels"]:
        case "NER", [*labels] if _words(labels):
            return Schema(name, entities=dict.fromkeys(labels, ""))
        case "RE", [*labels] if _words(labels):
            return Schema(name, relations=dict.fromkeys(labels, ""))
        case (("EE" | "ED"), dict(labels)) if _words([*labels]) and all(
            _words(roles) for roles in labels.values()
        ):
            return Schema(name, events={event: tuple(roles) for event, roles in labels.items()})
    raise SchemaError(
        f"{path}: 'labels' does not fit 'task'.",
        "For NER and RE it is a list of types, for EE a mapping from event types to their roles.",
    )


def _labels(path: Path, rows: tuple[AnnotatedRow, ...]) -> Schema | None:
    """The `labels.json` of IE INSTRUCTIONS. It does not name the task of its labels; None where the
    rows do not show it either."""
    try:
        labels = json.loads(content(path).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        raise SchemaError(f"{path} cannot be read as JSON.", "Correct it, or remove it.") from None
    name = _utf8(path.resolve().parent.name) or "labels"
    tasks = {task for row in rows for task in row.gold}
    match labels:
        case [*listed] if _words(listed) and tasks == {Task.NER}:
            return Schema(name, entities=dict.fromkeys(map(_spaced, listed), ""))
        case [*listed] if _words(listed) and tasks == {Task.RE}:
            return Schema(name, relations=dict.fromkeys(map(_spaced, listed), ""))
        case dict() if tasks == {Task.ED} and all(map(_words, [[*labels], *labels.values()])):
            return Schema(
                name,
                events={_spaced(k): tuple(map(_spaced, roles)) for k, roles in labels.items()},
            )
    return None


def _spaced(label: str) -> str:
    return " ".join(label.split())


def _words(labels: object) -> bool:
    return isinstance(labels, list) and all(
        isinstance(label, str) and _utf8(label) == label for label in labels
    )


def _utf8(text: str) -> str:
    """A name as UTF-8 can encode it: bytes of a file's name, and halves of surrogate pairs, as
    `\\udce9`."""
    return text.encode("utf-8", "backslashreplace").decode()


def infer_schema(path: Path, rows: tuple[AnnotatedRow, ...]) -> Schema:
    """The types that the rows show, sorted; named after the file."""
    types: dict[Task, set[str]] = {task: set() for task in Task}
    events: dict[str, set[str]] = {}
    for row in rows:
        for task, items in row.gold.items():
            types[task].update(item.type for item in items)
        for event, arguments in zip(row.gold.get(Task.ED, ()), row.arguments, strict=True):
            events.setdefault(event.type, set()).update(item.type for item in arguments)
    return Schema(
        _utf8(path.name.split(".")[0]),
        entities=dict.fromkeys(sorted(types[Task.NER]), ""),
        relations=dict.fromkeys(sorted(types[Task.RE]), ""),
        events={name: tuple(sorted(roles)) for name, roles in sorted(events.items())},
    )
