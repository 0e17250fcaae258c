"""The page of an export reads without JavaScript: colours, labels and records are in it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser, LexborNode

from ruie.db.record_pages import (
    ArgumentRecord,
    DocumentRecords,
    EntityRecord,
    EventRecord,
    GivenUp,
    RelationRecord,
    SpanRecord,
)
from ruie.db.reviews import Review
from ruie.marked_html import Mark, hue, marked
from ruie.records import Task
from ruie.schema import Schema
from ruie.worker.export.page import page
from ruie.worker.export.rows import Counts

SCHEMA = Schema(
    "news", {"person": "", "a <b>": ""}, {"lives in": ""}, {"move": ("who",), "sale": ()}
)
TEXT = "Ada & Bo moved to Rome."


def span(words: str) -> SpanRecord:
    start = TEXT.index(words)
    return SpanRecord(words, start, start + len(words), "exact")


def document() -> DocumentRecords:
    return DocumentRecords(
        1, "d<1>", "0" * 64, TEXT, frozenset(),
        (EntityRecord(1, "person", span("Ada"), 1, "m", "model", 0.875),
         EntityRecord(2, "a <b>", span("Ada & Bo"), 2, "", "person", None)),
        (RelationRecord(1, "lives in", span("Bo"), span("Rome"), 1, "m", "model", 0.5),),
        (EventRecord(1, "move", span("moved"), 1, "m", "model",
                     (ArgumentRecord("who", span("Ada"), 1, 0.25),), 0.75),),
    )  # fmt: skip  # one document


@pytest.fixture
def tree() -> LexborHTMLParser:
    made = "".join(page([document()], SCHEMA, "A <title>", "", Counts()))
    found = LexborHTMLParser(made)
    found.strip_tags(["script"])
    return found


def one(tree: Any, selector: str) -> Any:
    (node,) = tree.css(selector)
    return node


def classes(node: LexborNode) -> list[str]:
    return (node.attributes["class"] or "").split()


def test_every_colour_is_in_the_styles(tree: LexborHTMLParser) -> None:
    rules = dict(re.findall(r"\.([er v]\w{10})\{--h:(\d+)\}", one(tree, "style").text()))
    marks = tree.css("mark")
    assert len(marks) == 8  # what two spans cover has two marks, one in the other
    for node in (*marks, *tree.css("sup"), *tree.css(".records > li"), *tree.css("nav label")):
        assert classes(node)[0] in rules
    assert "style" not in {name for node in tree.css("body *") for name in node.attributes}
    first = one(tree, ".records > li:first-child")
    assert rules[classes(first)[0]] == str(hue("entity", 1, 2))


def test_what_it_says(tree: LexborHTMLParser) -> None:
    assert [node.text() for node in tree.css("nav .type")] == [
        "a <b>", "person", "lives in", "move", "sale",
    ]  # fmt: skip  # a line
    assert [node.text() for node in tree.css("legend")] == ["Entities", "Relations", "Events"]
    _, inner, _ = tree.css("mark mark")
    assert (inner.text(), inner.attributes["title"]) == (
        "Ada", "argument:move:who\nentity:person\nentity:a <b>",
    )  # fmt: skip  # a line
    labels = [node.text() for node in tree.css(".text sup")]
    assert labels == ["who", "person", "lives in", "a <b>", "move", "lives in"]
    assert [node.text() for node in tree.css(".records .type")] == [
        "person", "a <b>", "lives in", "move",
    ]  # fmt: skip  # a line
    assert "hidden" in one(tree, "header label").attributes  # searching needs the script


def test_how_sure_the_model_is(tree: LexborHTMLParser) -> None:
    assert [node.text() for node in tree.css(".records .sure")] == ["0.88", "0.50", "0.75", "0.25"]


def test_kinds_differ_in_shape_and_in_the_range_of_their_colours(tree: LexborHTMLParser) -> None:
    assert {classes(node)[1] for node in tree.css("mark")} == {
        "entity", "relation", "event", "argument",
    }  # fmt: skip  # a line
    style = one(tree, "style").text()
    for kind in ("entity", "relation", "event", "argument"):
        assert f"mark.{kind}{{" in style
    for node in tree.css(".records > li, nav label, .text sup"):
        assert classes(node)[1] in ("entity", "relation", "event", "argument")
    hues = {
        kind: {(hue(kind, place, count) + 180) % 360 for count in range(1, 9) for place in
               range(count)}
        for kind in ("entity", "relation", "event")
    }  # fmt: skip  # turned by half, so that red does not begin again
    for kind, other in (("entity", "relation"), ("relation", "event"), ("event", "entity")):
        assert min(abs(a - b) % 360 for a in hues[kind] for b in hues[other]) > 20
    assert len({hue("entity", place, 8) for place in range(8)}) == 8


def test_an_argument_has_the_colour_of_its_event(tree: LexborHTMLParser) -> None:
    (argument,) = tree.css("mark.argument")
    (event,) = tree.css("mark.event")
    assert (argument.text(), classes(argument)[0]) == ("Ada", classes(event)[0])


def of_the_page(document: DocumentRecords, selector: str) -> list[str]:
    made = "".join(page([document], SCHEMA, "t", "", Counts()))
    return [node.text() for node in LexborHTMLParser(made).css(selector)]


def test_what_has_no_answer_is_said() -> None:
    given_up = (GivenUp(Task.NER, "output", "No <answer>\n.", 3), GivenUp(Task.EAE, "item", "x", 1))
    assert of_the_page(replace(document(), given_up=given_up), ".note") == [
        "⚠ NER given up after 3 attempts (output): No <answer> .",
        "⚠ EAE given up after 1 attempt (item): x",
        "⚠ RE is not answered",
    ]
    answered = replace(document(), answered=frozenset({Task.NER, Task.RE, Task.ED}))
    assert of_the_page(answered, ".note") == []


def test_what_a_person_said_is_marked() -> None:
    review = Review(1, 1, "j", "d", "news", {}, ["NER", "ED"], {}, "<Ada>",
                    datetime(2026, 2, 3, tzinfo=UTC))  # fmt: skip  # one review
    reviewed = replace(document(), answered=frozenset({Task.NER, Task.RE, Task.ED}), review=review)
    assert of_the_page(reviewed, ".note") == [
        "✓ Reviewed by <Ada> on 2026-02-03 (NER, ED): these records are the review's"
    ]
    assert of_the_page(reviewed, ".records > li")[:3] == [
        "person Ada 0.88", "a <b> Ada & Bo person", "lives in Bo → Rome 0.50",
    ]  # fmt: skip  # a line


MARKS = st.tuples(st.integers(0, 9), st.integers(1, 10), st.sampled_from(["entity", "event"]),
                  st.sampled_from(["x", "y"])).filter(lambda m: m[0] < m[1])  # fmt: skip


@given(st.lists(MARKS, max_size=5))
def test_marks_cover_what_their_spans_cover(marks: list[Mark]) -> None:
    text = "a<b>&c \n d"
    tree = LexborHTMLParser(f"<div>{marked(text, marks)}</div>")
    for label in tree.css("sup"):
        label.decompose()
    assert one(tree, "div").text() == text
    covered = sum(len(node.text()) for node in tree.css("mark"))
    assert covered == sum(end - start for start, end, _, _ in set(marks))
