"""Annotated rows: gold data for scoring, demonstrations for prompting. One layout for both.

    {"id", "text", "entities":  [{"type", "text", "start", "end"}]}
    {"id", "text", "relations": [{"type", "head": {"text", "start", "end"}, "tail": {...}}]}
    {"id", "text", "events":    [{"type", "trigger": {...}, "arguments": [{"role", ...}]}]}

`start` and `end` count Unicode characters, end exclusive. A row may hold several of the three.
A key that is present says that the row was annotated for it, even if its list is empty.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from ruie.errors import AnnotationError, SchemaError
from ruie.records import Demonstration, Grounding, Item, Span, Task, Trigger
from ruie.schema import Schema


@dataclass(frozen=True, slots=True)
class AnnotatedRow:
    """One annotated text. `gold` has an entry for each task that was annotated (NER, RE, ED);
    `arguments[i]` belongs to the i-th event, `gold[Task.ED][i]`."""

    id: str
    text: str
    gold: dict[Task, tuple[Item, ...]]
    arguments: tuple[tuple[Item, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Corpus:
    """Annotated rows and the schema they were annotated with."""

    schema: Schema
    rows: tuple[AnnotatedRow, ...]

    def demonstrations(self) -> list[Demonstration]:
        """Every row as examples: one a task, and for events one more a detected event (EAE)."""
        return [demo for row in self.rows for demo in demonstrations(row, self.schema)]


def demonstrations(row: AnnotatedRow, schema: Schema) -> Iterator[Demonstration]:
    """The examples that one row gives."""
    for task, items in row.gold.items():
        if not (labels := tuple(schema.labels(task))):
            continue
        yield Demonstration(f"{row.id}#{task}", task, schema.name, labels, row.text, items)
    for index, (event, found) in enumerate(
        zip(row.gold.get(Task.ED, ()), row.arguments, strict=True)
    ):
        if roles := tuple(schema.labels(Task.EAE, event.type)):
            trigger = Trigger(event.type, event.spans[0])
            name = f"{row.id}#{Task.EAE}{index}"
            yield Demonstration(name, Task.EAE, schema.name, roles, row.text, found, trigger)


def load_corpus(path: Path, schema: Path | None = None) -> Corpus:
    """Read annotated rows (JSONL, or JSONL with gzip) with their schema.

    The schema is the file given; or one beside the rows, `oil.yaml` for `oil.train.jsonl`, else
    `schema.yaml` or `schema.json`; or else the types that the rows show.
    Raises `AnnotationError` naming file and line, `SchemaError`.
    """
    rows = tuple(read_rows(path))
    if schema is None:
        names = (f"{path.name.split('.')[0]}.yaml", "schema.yaml", "schema.json")
        beside = (path.parent / name for name in names)
        schema = next((file for file in beside if file.exists()), None)
    return Corpus(load_schema(schema) if schema else infer_schema(path, rows), rows)


def load_schema(path: Path) -> Schema:
    """A schema file, or a corpus description (`dataset`, `task`, `labels`) in JSON."""
    if path.suffix == ".json":
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            described = None
        if isinstance(described, dict) and {"dataset", "task", "labels"} <= described.keys():
            return _described_schema(path, described)
    return Schema.load(path)


def _described_schema(path: Path, described: dict[str, Any]) -> Schema:
    name = str(described["dataset"])
    match described["task"], described["labels"]:
        case "NER", [*labels] if _words(labels):
            return Schema(name, entities=dict.fromkeys(labels, ""))
        case "RE", [*labels] if _words(labels):
            return Schema(name, relations=dict.fromkeys(labels, ""))
        case (("EE" | "ED"), dict(labels)) if all(_words(roles) for roles in labels.values()):
            return Schema(name, events={event: tuple(roles) for event, roles in labels.items()})
    raise SchemaError(
        f"{path}: 'labels' does not fit 'task'.",
        "For NER and RE it is a list of types, for EE a mapping from event types to their roles.",
    )


def _words(labels: object) -> bool:
    return isinstance(labels, list) and all(isinstance(label, str) for label in labels)


def infer_schema(path: Path, rows: tuple[AnnotatedRow, ...]) -> Schema:
    """The types that the rows show, sorted; named after the file."""
    types: dict[Task, set[str]] = {task: set() for task in Task}
    events: dict[str, set[str]] = {}
    for row in rows:
        for task, items in row.gold.items():
            types[task].update(item.type for item in items)
        for event, found in zip(row.gold.get(Task.ED, ()), row.arguments, strict=True):
            events.setdefault(event.type, set()).update(item.type for item in found)
    return Schema(
        path.name.split(".")[0],
        entities=dict.fromkeys(sorted(types[Task.NER]), ""),
        relations=dict.fromkeys(sorted(types[Task.RE]), ""),
        events={name: tuple(sorted(roles)) for name, roles in sorted(events.items())},
    )


def read_rows(path: Path) -> Iterator[AnnotatedRow]:
    """Read a file's rows. Raises `AnnotationError` naming the file and the line."""
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _row(line, f"{path}, line {number}", number)
    except FileNotFoundError:
        raise AnnotationError(f"There is no file {path}.", "Check the path.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise AnnotationError(
            f"{path} cannot be read: {error}.", "It must be JSONL in UTF-8, or that with gzip."
        ) from None


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _row(line: bytes, where: str, number: int) -> AnnotatedRow:
    try:
        raw = json.loads(line.decode("utf-8-sig"))
        text = raw["text"]
        if not isinstance(text, str) or not text.strip():
            raise ValueError("'text' is empty")
        gold: dict[Task, tuple[Item, ...]] = {}
        arguments: list[tuple[Item, ...]] = []
        if "entities" in raw:
            gold[Task.NER] = tuple(
                Item(_label(e, "type"), (_span(e, text),)) for e in raw["entities"]
            )
        if "relations" in raw:
            gold[Task.RE] = tuple(
                Item(_label(r, "type"), (_span(r["head"], text), _span(r["tail"], text)))
                for r in raw["relations"]
            )
        if "events" in raw:
            gold[Task.ED] = tuple(
                Item(_label(e, "type"), (_span(e["trigger"], text),)) for e in raw["events"]
            )
            for event in raw["events"]:
                found = event.get("arguments", ())
                arguments.append(tuple(Item(_label(a, "role"), (_span(a, text),)) for a in found))
        if not gold:
            raise ValueError("none of 'entities', 'relations', 'events' is there")
    except KeyError as error:
        raise AnnotationError(f"{where}: {error} is missing.", "See docs/data.md.") from None
    except UnicodeDecodeError:
        raise AnnotationError(f"{where}: this is not UTF-8.", "Save the file as UTF-8.") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise AnnotationError(f"{where}: {error}.", "See docs/data.md for the layout.") from None
    return AnnotatedRow(str(raw.get("id", number)), text, gold, tuple(arguments))


def _label(raw: dict[str, Any], key: str) -> str:
    if not isinstance(label := raw[key], str) or not label.strip():
        raise ValueError(f"'{key}' is not text")
    return label


def _span(raw: dict[str, Any], text: str) -> Span:
    start, end = raw["start"], raw["end"]
    if type(start) is not int or type(end) is not int:
        raise ValueError(f"offsets {start!r} and {end!r} are not whole numbers")
    if not 0 <= start < end <= len(text):
        raise ValueError(f"offsets {start}:{end} are outside the text")
    if text[start:end] != raw.get("text", text[start:end]):
        raise ValueError(
            f"text[{start}:{end}] is {text[start:end]!r}, but the annotation says {raw['text']!r}"
        )
    return Span(text[start:end], start, end, Grounding.EXACT)
