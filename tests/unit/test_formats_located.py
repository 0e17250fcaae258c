"""Spans that are annotated by hand: without offsets, or with some of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ruie.formats.jsonl import read_jsonl
from ruie.formats.located import Locator
from ruie.formats.row import AnnotatedRow, Problem, RowError
from ruie.records import Task

TEXT = "OPEC met. Crude fell, said OPEC, and crude oil OPECs."


def read(path: Path, **annotated: Any) -> AnnotatedRow | Problem:
    path.write_text(json.dumps({"id": "a", "text": TEXT, **annotated}))
    (found,) = read_jsonl(path)
    return found


def entity(**said: Any) -> dict[str, Any]:
    return {"entities": [{"type": "X", **said}]}


@pytest.mark.parametrize(
    ("said", "offsets"),
    [
        ({"text": "Crude"}, (10, 15)),
        ({"text": "OPEC", "start": 27}, (27, 31)),
        ({"text": "OPEC", "occurrence": 1}, (0, 4)),
        ({"text": "OPEC", "occurrence": 2}, (27, 31)),
        ({"text": "OPECs"}, (47, 52)),
        ({"start": 0, "end": 4}, (0, 4)),
    ],
)
def test_a_span_is_found(tmp_path: Path, said: dict[str, Any], offsets: tuple[int, int]) -> None:
    row = read(tmp_path / "a.jsonl", **entity(**said))
    assert isinstance(row, AnnotatedRow)
    (span,) = row.gold[Task.NER][0].spans
    assert (span.start, span.end) == offsets
    assert span.text == TEXT[slice(*offsets)]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"text": "OPEC"}, "'OPEC' occurs 2 times, at 0, 27"),
        (
            {"text": "OPEC", "occurrence": 3},
            "'OPEC' occurs 2 times, at 0, 27, and 'occurrence' is 3",
        ),
        ({"text": "OPEC", "occurrence": True}, "'occurrence' is True"),
        ({"text": "Crude", "occurrence": 0}, "'Crude' occurs once, at 10, and 'occurrence' is 0"),
        ({"text": "OPEC", "start": 1}, "text[1:5] is 'PEC ', but the annotation says 'OPEC'"),
        ({"text": "OPEC", "start": "0"}, "offsets '0' and None are not whole numbers"),
        ({"text": "OPEC", "end": 4}, "'start' is missing"),
        ({"text": "gas"}, "'gas' does not occur in the text"),
        ({"text": " OPEC"}, "' OPEC' does not occur in the text"),
        ({"text": ""}, "'start' is missing"),
        ({"text": 5}, "'start' is missing"),
        ({}, "'start' is missing"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, said: dict[str, Any], message: str) -> None:
    problem = read(tmp_path / "a.jsonl", **entity(**said))
    assert isinstance(problem, Problem)
    assert message in problem.what


def test_the_message_says_how_to_say_which(tmp_path: Path) -> None:
    problem = read(tmp_path / "a.jsonl", **entity(text="OPEC"))
    assert isinstance(problem, Problem)
    assert problem.hint == 'Say which: "start": 27, or "occurrence": 2, which counts from 1.'


def test_every_span_of_relations_and_events_is_found(tmp_path: Path) -> None:
    row = read(
        tmp_path / "a.jsonl",
        relations=[{"type": "X", "head": {"text": "Crude"}, "tail": {"text": "crude oil"}}],
        events=[{"type": "Y", "trigger": {"text": "fell"},
                 "arguments": [{"role": "Z", "text": "OPEC", "occurrence": 2}]}],
    )  # fmt: skip  # an event
    assert isinstance(row, AnnotatedRow)
    assert [s.start for s in row.gold[Task.RE][0].spans] == [10, 37]
    assert row.gold[Task.ED][0].spans[0].start == 16
    assert row.arguments[0][0].spans[0].start == 27


def test_null_is_a_mistake_unless_it_may_say_that_nobody_has_annotated_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    problem = read(path, entities=None, relations=[])
    assert isinstance(problem, Problem)
    assert "'entities' is not a list" in problem.what
    (row,) = read_jsonl(path, nulls=True)
    assert isinstance(row, AnnotatedRow)
    assert row.gold == {Task.RE: ()}
    read(path, entities=None)
    (problem,) = read_jsonl(path, nulls=True)
    assert isinstance(problem, Problem)
    assert "none of 'entities', 'relations', 'events' is there" in problem.what


def test_the_search_is_bounded() -> None:
    locator = Locator(TEXT, most=2 * len(TEXT))
    assert [locator.span({"text": word}).start for word in ("Crude", "fell")] == [10, 16]
    with pytest.raises(RowError, match=r"'met' has no 'start', like too many"):
        locator.span({"text": "met"})
    assert locator.span({"text": "met", "start": 5}).end == 8
