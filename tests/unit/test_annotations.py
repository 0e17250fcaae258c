"""Annotated rows: the layout, the schema that goes with them, and the examples they give."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ruie.annotations import demonstrations, load_corpus, load_schema, read_rows
from ruie.errors import AnnotationError, SchemaError
from ruie.records import Grounding, Span, Task, Trigger
from ruie.schema import Schema

TEXT = "OPEC cut output and crude rose."


def span(piece: str) -> dict[str, Any]:
    start = TEXT.index(piece)
    return {"text": piece, "start": start, "end": start + len(piece)}


ROW: dict[str, Any] = {
    "id": "r1",
    "text": TEXT,
    "entities": [{"type": "ORG", **span("OPEC")}],
    "relations": [{"type": "lowers", "head": span("OPEC"), "tail": span("output")}],
    "events": [
        {"type": "Cut", "trigger": span("cut"), "arguments": [{"role": "Who", **span("OPEC")}]},
        {"type": "Rise", "trigger": span("rose"), "arguments": []},
    ],
}


def write(path: Path, *rows: object) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def grounded(piece: str) -> Span:
    start = TEXT.index(piece)
    return Span(piece, start, start + len(piece), Grounding.EXACT)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_the_layout(tmp_path: Path, name: str) -> None:
    (row,) = read_rows(write(tmp_path / name, ROW, ""))
    assert (row.id, row.text) == ("r1", TEXT)
    actual = {
        task: [(i.type, *(s.text for s in i.spans)) for i in items]
        for task, items in row.gold.items()
    }
    assert actual == {
        Task.NER: [("ORG", "OPEC")],
        Task.RE: [("lowers", "OPEC", "output")],
        Task.ED: [("Cut", "cut"), ("Rise", "rose")],
    }
    assert [[(a.type, a.spans[0]) for a in found] for found in row.arguments] == [
        [("Who", grounded("OPEC"))],
        [],
    ]


def test_a_missing_id_is_the_line_and_a_byte_order_mark_is_nothing(tmp_path: Path) -> None:
    row = {"text": TEXT, "entities": []}
    rows = list(read_rows(write(tmp_path / "a.jsonl", "\ufeff" + json.dumps(row), "", row)))
    assert [row.id for row in rows] == ["1", "3"]


def test_an_empty_list_says_that_nothing_is_there(tmp_path: Path) -> None:
    (row,) = read_rows(write(tmp_path / "a.jsonl", {"text": TEXT, "entities": []}))
    assert row.gold == {Task.NER: ()}


def entities(*found: object) -> dict[str, object]:
    return {"text": TEXT, "entities": list(found)}


WRONG = {
    "not JSON": ("{", "Expecting property name"),
    "not an object": ("[1]", "is not a JSON object"),
    "no text": ({"entities": []}, "'text' is missing"),
    "empty text": ({"text": " ", "entities": []}, "'text' is empty"),
    "text is a number": ({"text": 3, "entities": []}, "'text' is not a string"),
    "nothing annotated": ({"text": TEXT}, "none of 'entities', 'relations', 'events' is there"),
    "no type": (entities(span("OPEC")), "'type' is missing"),
    "type is a number": (entities({"type": 5, **span("OPEC")}), "'type' is not text"),
    "no start": (entities({"type": "X", "end": 3}), "'start' is missing"),
    "start is half": (entities({"type": "X", "start": 0.5, "end": 3}), "not whole numbers"),
    "start is infinite": ('{"text": "a", "entities": [{"type": "X", "start": Infinity, "end": 1}]}',
                          "not whole numbers"),
    "beyond the text": (entities({"type": "X", "start": 0, "end": 99}), "0:99 are outside"),
    "before the text": (entities({"type": "X", "start": -4, "end": 2}), "-4:2 are outside"),
    "empty span": (entities({"type": "X", "start": 2, "end": 2}), "2:2 are outside"),
    "another text": (entities({"type": "X", "text": "Iran", "start": 0, "end": 4}),
                     "text[0:4] is 'OPEC', but the annotation says 'Iran'"),
    "entities are null": ({"text": TEXT, "entities": None}, "'entities' is not a list"),
    "entity is text": (entities("OPEC"), "in 'entities' is not a JSON object"),
    "no tail": ({"text": TEXT, "relations": [{"type": "r", "head": span("OPEC")}]}, "'tail'"),
    "no trigger": ({"text": TEXT, "events": [{"type": "E"}]}, "'trigger' is missing"),
    "event is text": ({"text": TEXT, "events": ["E"]}, "in 'events' is not a JSON object"),
    "no role": ({"text": TEXT, "events": [{"type": "E", "trigger": span("cut"),
                 "arguments": [span("OPEC")]}]}, "'role' is missing"),
    "nested without end": ('{"text": ' + "[" * 100_000, "nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize(("row", "what"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_row_names_file_and_line(tmp_path: Path, row: object, what: str) -> None:
    file = write(tmp_path / "gold.jsonl", ROW, row, ROW)
    with pytest.raises(AnnotationError) as caught:
        list(read_rows(file))
    assert caught.value.message.startswith(f"{file}, line 2: ")
    assert what in caught.value.message
    assert "docs/data.md" in caught.value.hint


def test_a_row_that_is_not_utf8_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "gold.jsonl"
    file.write_bytes(json.dumps(ROW).encode() + b'\n{"text": "\xff"}\n')
    with pytest.raises(AnnotationError, match=r"gold\.jsonl, line 2: this is not UTF-8"):
        list(read_rows(file))


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-12], lambda b: b"no gzip", lambda b: b[:12] + b"\xff" * 20 + b[32:]],
    ids=["cut off", "not gzip", "overwritten"],
)
def test_a_damaged_archive(tmp_path: Path, damage: Any) -> None:
    file = write(tmp_path / "gold.jsonl.gz", *[ROW] * 50)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(AnnotationError, match=r"gold\.jsonl\.gz.* cannot be read"):
        list(read_rows(file))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="There is no file"):
        load_corpus(tmp_path / "none.jsonl")


def test_without_a_schema_the_rows_show_the_types(tmp_path: Path) -> None:
    other = {"text": TEXT, "events": [{"type": "Cut", "trigger": span("cut"),
             "arguments": [{"role": "What", **span("output")}]}]}  # fmt: skip
    schema = load_corpus(write(tmp_path / "oil.jsonl.gz", ROW, other)).schema
    assert schema == Schema(
        "oil", {"ORG": ""}, {"lowers": ""}, {"Cut": ("What", "Who"), "Rise": ()}
    )


@pytest.mark.parametrize("beside", ["gold.yaml", "schema.yaml", "schema.json"])
def test_a_schema_beside_the_rows_is_found(tmp_path: Path, beside: str) -> None:
    (tmp_path / beside).write_text('{"name": "beside", "entities": ["ORG", "PLACE"]}')
    schema = load_corpus(write(tmp_path / "gold.jsonl", ROW)).schema
    assert (schema.name, list(schema.entities)) == ("beside", ["ORG", "PLACE"])


@pytest.mark.parametrize(
    ("task", "labels", "expected"),
    [
        ("NER", ["A"], Schema("c", entities={"A": ""})),
        ("RE", ["r"], Schema("c", relations={"r": ""})),
        ("EE", {"E": ["R"], "F": []}, Schema("c", events={"E": ("R",), "F": ()})),
    ],
)
def test_a_corpus_description(tmp_path: Path, task: str, labels: object, expected: Schema) -> None:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps({"dataset": "c", "task": task, "labels": labels}))
    assert load_schema(file) == expected


@pytest.mark.parametrize(
    ("task", "labels"),
    [("NER", "PERSON"), ("NER", 5), ("RE", {"r": []}), ("EE", ["E"]), ("EE", {"E": 1}), ("X", [])],
)
def test_a_corpus_description_that_does_not_fit(tmp_path: Path, task: str, labels: object) -> None:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps({"dataset": "c", "task": task, "labels": labels}))
    with pytest.raises(SchemaError, match=r"schema\.json: 'labels' does not fit 'task'"):
        load_schema(file)


def test_a_row_gives_an_example_for_each_task_and_each_event(tmp_path: Path) -> None:
    (row,) = read_rows(write(tmp_path / "a.jsonl", ROW))
    schema = Schema("oil", {"ORG": "", "PLACE": ""}, {}, {"Cut": ("Who", "When"), "Rise": ()})
    given = {demo.id: demo for demo in demonstrations(row, schema)}
    assert list(given) == [
        "r1#NER",
        "r1#ED",
        "r1#EAE0",
    ]  # no relations, Rise has no roles
    assert given["r1#NER"].labels == ("ORG", "PLACE")
    argument = given["r1#EAE0"]
    assert (argument.labels, argument.trigger) == (("Who", "When"), Trigger("Cut", grounded("cut")))
    assert [(i.type, i.spans) for i in argument.items] == [("Who", (grounded("OPEC"),))]
    assert {demo.text for demo in given.values()} == {TEXT}
