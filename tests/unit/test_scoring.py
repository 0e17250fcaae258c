"""Scoring against a naive implementation, and the paper's normalisation."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.records import Grounding, Item, Span
from ruie.scoring import Score, plain, score_offsets, score_strings

PIECES = ["Ada", "ada", "A d a", "U.S.", "U . S .", "u.s.", "it's", "it 's"]


def item(kind: str, *spans: tuple[str, int]) -> Item:
    return Item(kind, tuple(Span(text, at, at + len(text), Grounding.EXACT) for text, at in spans))


SPANS = st.tuples(st.sampled_from(PIECES), st.integers(0, 2))
ITEMS = st.lists(
    st.builds(
        lambda kind, spans: item(kind, *spans),
        st.sampled_from(["PER", "per", "LOC"]),
        st.lists(SPANS, min_size=1, max_size=2),
    ),
    max_size=8,
)


def naive_plain(text: str) -> str:
    text = " ".join(text.lower().split())
    while (shorter := re.sub(r" (?=[^\w\s])|(?<=[^\w\s]) ", "", text, count=1)) != text:
        text = shorter
    return text


def naive(gold: Sequence[object], predicted: Sequence[object]) -> tuple[int, int, int]:
    """Every distinct prediction looks for itself among the gold items."""
    distinct: list[object] = []
    for one in predicted:
        if one not in distinct:
            distinct.append(one)
    wanted: list[object] = []
    for one in gold:
        if one not in wanted:
            wanted.append(one)
    return len(wanted), len(distinct), sum(one in wanted for one in distinct)


@given(ITEMS, ITEMS)
def test_strings(gold: list[Item], predicted: list[Item]) -> None:
    def key(one: Item) -> object:
        return [naive_plain(one.type), [naive_plain(span.text) for span in one.spans]]

    score = score_strings(gold, predicted)
    expected = naive([key(one) for one in gold], [key(one) for one in predicted])
    assert (score.gold, score.predicted, score.matched) == expected


@given(ITEMS, ITEMS)
def test_offsets(gold: list[Item], predicted: list[Item]) -> None:
    def key(one: Item) -> object:
        return [one.type, [(span.start, span.end) for span in one.spans]]

    score = score_offsets(gold, predicted)
    expected = naive([key(one) for one in gold], [key(one) for one in predicted])
    assert (score.gold, score.predicted, score.matched) == expected


@given(st.text(st.sampled_from("aB1_ \t\n.,'’-中ß\u00a0")))
def test_plain(text: str) -> None:
    assert plain(text) == naive_plain(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  U.S.", "the u.s."),
        ("OPEC 's", "opec's"),
        ("( a , b )", "(a,b)"),
        ("a\nb", "a b"),
        (" a ", "a"),
        ("a - b", "a-b"),
        ("a_b c", "a_b c"),
        ("", ""),
        ("中 国", "中 国"),
    ],
)
def test_the_papers_normalisation(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_the_two_forms_differ_in_the_place_alone() -> None:
    gold, predicted = [item("PER", ("Ada", 0))], [item("PER", ("Ada", 9))]
    assert score_strings(gold, predicted) == Score(1, 1, 1)
    assert score_offsets(gold, predicted) == Score(1, 1, 0)


def test_head_and_tail_are_not_exchanged() -> None:
    gold = [item("r", ("a", 0), ("b", 2))]
    assert score_strings(gold, [item("r", ("b", 2), ("a", 0))]).matched == 0


@pytest.mark.parametrize(
    ("score", "precision", "recall", "f1"),
    [
        (Score(0, 0, 0), 0, 0, 0),
        (Score(4, 0, 0), 0, 0, 0),
        (Score(0, 4, 0), 0, 0, 0),
        (Score(4, 2, 1), 1 / 2, 1 / 4, 1 / 3),
        (Score(3, 3, 3), 1, 1, 1),
    ],
)
def test_figures(score: Score, precision: float, recall: float, f1: float) -> None:
    assert score.precision == pytest.approx(precision)
    assert score.recall == pytest.approx(recall)
    assert score.f1 == pytest.approx(f1)


@given(st.lists(st.tuples(ITEMS, ITEMS), max_size=4))
def test_the_average_is_micro(queries: list[tuple[list[Item], list[Item]]]) -> None:
    total = sum((score_strings(*query) for query in queries), Score())
    assert total.matched == sum(score_strings(*query).matched for query in queries)
    if total.precision and total.recall:
        harmonic = 2 / (1 / total.precision + 1 / total.recall)
        assert total.f1 == pytest.approx(harmonic)
