"""However many items an answer has, each is located or refused once, and is accounted for."""

from __future__ import annotations

import json

import pytest
from support.answers import drawn, items

from ruie.grounding import MAX_OCCURRENCES
from ruie.parsing import OutputForm, Parsed, parse
from ruie.records import Query, RejectReason, Task

ITEMS = 10_000


def read(task: Task, text: str, output: str) -> Parsed:
    return parse(output, Query(task, text, "s", {"T": ""}, None), form=OutputForm.JSON)


@pytest.mark.parametrize(
    ("task", "item", "found"),
    [
        (Task.RE, {"type": "T", "head": "a", "tail": "a"}, 1),
        (Task.NER, {"type": "T", "span": "a"}, MAX_OCCURRENCES),
        (Task.NER, {"type": "T", "span": "A"}, MAX_OCCURRENCES),
        (Task.ED, {"type": "T", "span": "a"}, MAX_OCCURRENCES),
    ],
    ids=["relations", "entities", "normalised", "events"],
)
def test_the_same_item_many_times(task: Task, item: dict[str, str], found: int) -> None:
    parsed = read(task, "a " * 512, json.dumps({"items": [item] * ITEMS}))
    assert len(parsed.items) == found
    assert [reject.reason for reject in parsed.rejects] == [RejectReason.REPEATED] * (ITEMS - found)


@pytest.mark.parametrize(
    "fixed", ["", "abcde"], ids=["any words", "words that begin and end alike"]
)
def test_many_strings_that_are_not_in_the_text(fixed: str) -> None:
    spans = [f"{word}qq" for word in drawn(1000, 1, fixed)]
    parsed = read(Task.NER, " ".join(drawn(8_000, 2, fixed)), items(spans))
    assert {reject.reason for reject in parsed.rejects} == {RejectReason.NOT_IN_TEXT}
    assert len(parsed.rejects) == len(spans)
