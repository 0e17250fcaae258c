"""The page of an export reads without JavaScript: colours, labels and records are in it."""

from __future__ import annotations

import re
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
    RelationRecord,
    SpanRecord,
)
from ruie.marked_html import Mark, hue, marked
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
        (EntityRecord(1, "person", span("Ada"), 1, "m"),
         EntityRecord(2, "a <b>", span("Ada & Bo"), 1, "m")),
        (RelationRecord(1, "lives in", span("Bo"), span("Rome"), 1, "m"),),
        (EventRecord(1, "move", span("moved"), 1, "m", (ArgumentRecord("who", span("Ada"), 1),)),),
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
    assert len(marks) == 7  # what two spans cover has two marks, one in the other
    for node in (*marks, *tree.css("sup"), *tree.css(".records > li"), *tree.css("nav label")):
        assert classes(node)[0] in rules
    assert "style" not in {name for node in tree.css("body *") for name in node.attributes}
    first = one(tree, ".records > li:first-child")
    assert rules[first.attributes["class"]] == str(hue("person"))


def test_what_it_says(tree: LexborHTMLParser) -> None:
    assert [node.text() for node in tree.css("nav .type")] == [
        "a <b>", "person", "lives in", "move", "sale",
    ]  # fmt: skip  # a line
    assert [node.text() for node in tree.css("legend")] == ["Entities", "Relations", "Events"]
    inner, _ = tree.css("mark mark")
    assert (inner.text(), inner.attributes["title"]) == ("Ada", "entity:person\nentity:a <b>")
    labels = [node.text() for node in tree.css(".text sup")]
    assert labels == ["person", "lives in", "a <b>", "move", "lives in"]
    assert [node.text() for node in tree.css(".records .type")] == [
        "person", "a <b>", "lives in", "move",
    ]  # fmt: skip  # a line
    assert "hidden" in one(tree, "header label").attributes  # searching needs the script


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
