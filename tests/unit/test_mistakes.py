"""Kinds of mistakes: one example of each, and that everything is counted once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.mistakes import Mistake, mistakes
from ruie.records import Grounding, Item, Reject, RejectReason, Span
from ruie.scoring import score_strings

TEXT = "Ada Byron met Grace Hopper in New York City ."


def span(words: str, after: int = 0) -> Span:
    start = TEXT.index(words, after)
    return Span(words, start, start + len(words), Grounding.EXACT)


def item(kind: str, *words: str) -> Item:
    return Item(kind, tuple(span(each) for each in words))


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        (item("PER", "Ada Byron"), item("PER", "Ada Byron"), {}),
        (item("PER", "Ada Byron"), item("per", "Ada Byron"), {}),
        (item("PER", "Ada Byron"), item("LOC", "Ada Byron"), {Mistake.WRONG_TYPE: 1}),
        (item("PER", "Ada Byron"), item("PER", "Ada"), {Mistake.WRONG_BOUNDARY: 1}),
        (
            item("PER", "Ada Byron"),
            item("LOC", "Ada"),
            {Mistake.MISSED: 1, Mistake.INVENTED: 1},
        ),
        (
            item("PER", "Ada Byron"),
            item("PER", "Grace Hopper"),
            {Mistake.MISSED: 1, Mistake.INVENTED: 1},
        ),
        (
            item("met", "Ada Byron", "Grace Hopper"),
            item("met", "Grace Hopper", "Ada Byron"),
            {Mistake.WRONG_DIRECTION: 1},
        ),
        (
            item("met", "Ada Byron", "Grace Hopper"),
            item("saw", "Ada Byron", "Grace Hopper"),
            {Mistake.WRONG_TYPE: 1},
        ),
        (
            item("met", "Ada Byron", "Grace Hopper"),
            item("met", "Ada", "Hopper"),
            {Mistake.WRONG_BOUNDARY: 1},
        ),
        (
            item("met", "Ada Byron", "Grace Hopper"),
            item("met", "Ada", "New York"),
            {Mistake.MISSED: 1, Mistake.INVENTED: 1},
        ),
    ],
)
def test_one_prediction_for_one_item(
    gold: Item, predicted: Item, expected: dict[Mistake, int]
) -> None:
    assert mistakes([gold], [predicted]) == expected


def test_what_is_right_is_paired_before_what_is_nearly_right() -> None:
    gold = [item("LOC", "New York"), item("LOC", "New York City")]
    assert mistakes(gold, [item("LOC", "New York City")]) == {Mistake.MISSED: 1}
    # the type before the boundary: the second prediction is left over
    gold = [item("LOC", "New York")]
    predicted = [item("LOC", "New York City"), item("ORG", "New York")]
    assert mistakes(gold, predicted) == {Mistake.WRONG_TYPE: 1, Mistake.INVENTED: 1}


def test_a_pair_is_one_to_one() -> None:
    predicted = [item("LOC", "New York"), item("LOC", "York City")]
    found = mistakes([item("LOC", "New York City")], predicted)
    assert found == {Mistake.WRONG_BOUNDARY: 1, Mistake.INVENTED: 1}


def test_what_was_refused_is_counted_once_by_its_reason() -> None:
    refused = [
        Reject(RejectReason.LEAKED, "PER: Bo"),
        Reject(RejectReason.LEAKED, "PER:  bo"),
        Reject(RejectReason.NOT_IN_TEXT, "PER: Cy"),
        Reject(RejectReason.UNKNOWN_TYPE, "X: Ada"),
        Reject(RejectReason.MALFORMED, "Ada"),
        Reject(RejectReason.REPEATED, "PER: Ada"),
    ]
    assert mistakes([], [], refused) == {
        Mistake.LEAKED: 1,
        Mistake.NOT_IN_TEXT: 1,
        Mistake.NOT_IN_SCHEMA: 1,
        Mistake.MALFORMED: 1,
    }


SPANS = st.builds(
    lambda a, b: Span(TEXT[min(a, b) : max(a, b) + 1], min(a, b), max(a, b) + 1, Grounding.EXACT),
    st.integers(0, 12),
    st.integers(0, 12),
)


def items(arity: int) -> st.SearchStrategy[list[Item]]:
    spans = st.tuples(*[SPANS] * arity)
    return st.lists(st.builds(Item, st.sampled_from(["a", "A", "b"]), spans), max_size=6)


REJECTS = st.lists(
    st.builds(Reject, st.sampled_from(RejectReason), st.sampled_from(["x", "y", "X"])), max_size=5
)


@given(st.integers(1, 2).flatmap(lambda n: st.tuples(items(n), items(n))), REJECTS)
def test_the_counts_add_up(pair: tuple[list[Item], list[Item]], rejects: list[Reject]) -> None:
    gold, predicted = pair
    found = mistakes(gold, predicted, rejects)
    score = score_strings(gold, predicted)
    pairs = sum(
        found[kind]
        for kind in (Mistake.WRONG_DIRECTION, Mistake.WRONG_TYPE, Mistake.WRONG_BOUNDARY)
    )
    assert score.matched + pairs + found[Mistake.MISSED] == score.gold
    assert score.matched + pairs + found[Mistake.INVENTED] == score.predicted
    of_rejects = (Mistake.LEAKED, Mistake.NOT_IN_TEXT, Mistake.NOT_IN_SCHEMA, Mistake.MALFORMED)
    distinct = {(r.reason, r.raw.lower()) for r in rejects if r.reason != RejectReason.REPEATED}
    assert sum(found[kind] for kind in of_rejects) == len(distinct)
    assert all(count > 0 for count in found.values())


@given(st.integers(1, 2).flatmap(items))
def test_a_perfect_answer_has_no_mistake(gold: list[Item]) -> None:
    assert not mistakes(gold, gold[::-1])
