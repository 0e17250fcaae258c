"""However many items an answer has, the work for each is bounded."""

from __future__ import annotations

import json
import random
import string
import time

import pytest

from ruie.grounding import MAX_OCCURRENCES
from ruie.parsing import OutputForm, Parsed, parse
from ruie.records import Query, RejectReason, Task

ITEMS = 10_000


def seconds(task: Task, text: str, items: list[dict[str, str]]) -> tuple[Parsed, float]:
    query = Query(task, text, "s", {"T": ""}, None)
    written = json.dumps({"items": items})
    started = time.process_time()
    parsed = parse(written, query, form=OutputForm.JSON)
    return parsed, time.process_time() - started


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
    parsed, took = seconds(task, "a " * 512, [item] * ITEMS)
    assert len(parsed.items) == found
    assert [reject.reason for reject in parsed.rejects] == [RejectReason.REPEATED] * (ITEMS - found)
    assert took < 2  # 0.1 s; 18 s where each item is located anew


def words(count: int, seed: int, fixed: str = "") -> list[str]:
    drawn = random.Random(seed)
    letters = string.ascii_lowercase
    return [
        fixed + "".join(drawn.choices(letters, k=drawn.randint(4, 9))) + fixed for _ in range(count)
    ]


@pytest.mark.parametrize(
    "fixed", ["", "abcde"], ids=["any words", "words that begin and end alike"]
)
def test_many_strings_that_are_not_in_the_text(fixed: str) -> None:
    """The fuzzy step costs no pass over the text for each: the time hardly grows with the text."""
    items = [{"type": "T", "span": f"{word}qq"} for word in words(1000, 1, fixed)]
    parsed, small = seconds(Task.NER, " ".join(words(2_500, 2, fixed)), items)
    assert {reject.reason for reject in parsed.rejects} == {RejectReason.NOT_IN_TEXT}
    parsed, large = seconds(Task.NER, " ".join(words(20_000, 2, fixed)), items)
    assert {reject.reason for reject in parsed.rejects} == {RejectReason.NOT_IN_TEXT}
    assert len(parsed.rejects) == len(items)
    assert large < 16 * max(small, 0.1)
