"""The JSON of IE INSTRUCTIONS: its keys, its positions that are missing or wrong, its files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ruie.annotations import load_corpus
from ruie.errors import AnnotationError, SchemaError
from ruie.formats import AnnotatedRow, Problem
from ruie.formats.instructions import read_instructions
from ruie.records import Task

TEXT = "Shell owns Pernis, and Shell sold it."


def named(name: str, pos: object = None, **more: object) -> dict[str, Any]:
    return {"name": name, "pos": pos, **more}


ROW: dict[str, Any] = {
    "sentence": TEXT,
    "entities": [named("Pernis", [11, 17], type="place")],
    "relations": [
        {"type": "owns", "head": named("Shell", [0, 5]), "tail": named("Pernis", [11, 17])},
        {"type": "NA", "head": named("Shell", [0, 5]), "tail": named("it", [34, 36])},
    ],
    "events": [
        {"type": "Sale", "trigger": "sold", "pos": [29, 33],
         "arguments": [named("Shell", [23, 28], role="Seller")]},
    ],
}  # fmt: skip


def write(path: Path, content: object) -> Path:
    raw = content if isinstance(content, bytes) else json.dumps(content, indent=1).encode()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def only(path: Path) -> AnnotatedRow | Problem:
    (found,) = read_instructions(path)
    return found


def with_entity(*entities: object) -> list[dict[str, Any]]:
    return [{"sentence": TEXT, "entities": list(entities)}]


@pytest.mark.parametrize("name", ["train.json", "train.json.gz"])
def test_the_layout(tmp_path: Path, name: str) -> None:
    row = only(write(tmp_path / name, [ROW]))
    assert isinstance(row, AnnotatedRow)
    assert (row.id, row.text, str(row.place)) == ("1", TEXT, f"{tmp_path / name}, line 2")
    annotations = {
        task: [(i.type, *((s.text, s.start) for s in i.spans)) for i in items]
        for task, items in row.gold.items()
    }
    assert annotations == {
        Task.NER: [("place", ("Pernis", 11))],
        Task.RE: [("owns", ("Shell", 0), ("Pernis", 11))],  # NA says that there is no relation
        Task.ED: [("Sale", ("sold", 29))],
    }
    assert [[(a.type, a.spans[0].start) for a in found] for found in row.arguments] == [
        [("Seller", 23)]
    ]


def test_a_row_a_line(tmp_path: Path) -> None:
    lines = f"\ufeff{json.dumps(ROW)}\r\n\r\n{{\n{json.dumps(ROW)}\n".encode()
    first, problem, last = read_instructions(write(tmp_path / "train.json", lines))
    assert isinstance(first, AnnotatedRow)
    assert isinstance(problem, Problem)
    assert isinstance(last, AnnotatedRow)
    assert problem.place.line == 3
    assert last.place is not None
    assert last.place.line == 4


@pytest.mark.parametrize("pos", [None, []])
def test_a_position_that_is_missing_is_found_where_the_name_stands_once(
    tmp_path: Path, pos: object
) -> None:
    row = only(write(tmp_path / "a.json", with_entity(named("Pernis", pos, type="place"))))
    assert isinstance(row, AnnotatedRow)
    assert row.gold[Task.NER][0].spans[0].start == 11


@pytest.mark.parametrize(
    "pos", [[0, 6], [11, 16], [-1, -1], [11], "11-17", [11.0, 17.0], 10**4000, [0, 10**4000]]
)
def test_a_position_that_is_wrong_is_repaired_and_reported(tmp_path: Path, pos: object) -> None:
    file = write(tmp_path / "a.json", with_entity(named("Pernis", pos, type="place")))
    problem, row = read_instructions(file)
    assert isinstance(problem, Problem)
    assert problem.rows == 0
    assert "'Pernis' is at 11:17" in problem.what
    assert len(problem.what) < 200
    assert isinstance(row, AnnotatedRow)
    assert row.gold[Task.NER][0].spans[0].start == 11


WRONG = {
    "occurs twice": (with_entity(named("Shell", [1, 6], type="x")), "'Shell' occurs 2 times"),
    "does not occur": (with_entity(named("BP", [0, 2], type="x")), "'BP' does not occur"),
    "no name": (with_entity({"type": "x", "pos": [0, 5]}), "'name' is missing"),
    "name is a number": (with_entity(named("x", type="x") | {"name": 3}), "'name' is not text"),
    "type is a number": (with_entity(named("Pernis", type=3)), "'type' is not text"),
    "no type": (with_entity(named("Pernis")), "'type' is missing"),
    "no sentence": ([{"entities": []}], "'sentence' is missing"),
    "an empty sentence": ([{"sentence": "", "entities": []}], "'sentence' is empty"),
    "not annotated": ([{"sentence": TEXT}], "none of 'entities', 'relations', 'events'"),
    "entities are an object": ([{"sentence": TEXT, "entities": {}}], "'entities' is not a list"),
    "an entity is text": (with_entity("Shell"), "in 'entities' is not a JSON object"),
    "no head": ([{"sentence": TEXT, "relations": [{"type": "r"}]}], "'head' is missing"),
    "no trigger": ([{"sentence": TEXT, "events": [{"type": "E"}]}], "'trigger' is missing"),
    "no object": ([[1]], "the row is not a JSON object"),
    "half a character": (b'[{"sentence": "a\\ud800", "entities": []}]', "half of a surrogate"),
    "not UTF-8": (b'[{"sentence": "a\xff", "entities": []}]', "not UTF-8"),
}


@pytest.mark.parametrize(("content", "what"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_row_is_a_problem(tmp_path: Path, content: object, what: str) -> None:
    problem = only(write(tmp_path / "a.json", content))
    assert isinstance(problem, Problem)
    assert what in problem.what
    assert problem.hint
    assert problem.rows == 1


BROKEN = {
    "cut off": b'[{"sentence": "a", "entities": []},\n{"sent',
    "no end": b'[{"sentence": "a", "entities": []}\n',
    "no commas": b'[{"sentence": "a", "entities": []}\n}',
    "a number without end": b'[\n{"pos": 1' + b"0" * 5000 + b"}]",
    "nested without end": b"[\n" + b"[" * 100_000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=list(BROKEN))
def test_a_broken_list_is_an_error_with_a_line(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(AnnotationError, match=r"a\.json, line 2: this is not JSON"):
        list(read_instructions(write(tmp_path / "a.json", content)))


def test_an_empty_list(tmp_path: Path) -> None:
    assert list(read_instructions(write(tmp_path / "a.json", b" [ ] "))) == []


SALE = {"sentence": "a sold", "events": [{"type": "Sale", "trigger": "sold"}]}
LABELS = [
    ("entities", ["place", " other  one "], {"place": "", "other one": ""}),
    ("relations", ["owns"], {"owns": ""}),
    ("events", {"Sale": ["Seller"], "Theft": []}, {"Sale": ("Seller",), "Theft": ()}),
]


@pytest.mark.parametrize(("key", "labels", "types"), LABELS)
def test_labels_beside_the_rows_are_the_schema(
    tmp_path: Path, key: str, labels: object, types: object
) -> None:
    write(tmp_path / "labels.json", labels)
    file = write(tmp_path / "train.json", [{"sentence": TEXT, key: ROW[key]}])
    corpus = load_corpus(file)
    assert corpus.schema.name == tmp_path.name
    assert getattr(corpus.schema, key) == types


def test_labels_that_do_not_say_their_task_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "labels.json", ["place"])
    assert load_corpus(write(tmp_path / "train.json", [ROW])).schema.name == "train"


def test_labels_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path / "labels.json", b"[")
    with pytest.raises(SchemaError, match=r"labels\.json cannot be read as JSON"):
        load_corpus(write(tmp_path / "train.json", [ROW]))
