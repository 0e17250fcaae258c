"""Which of several occurrences is meant, where another span decides it."""

from __future__ import annotations

from itertools import product

from ruie.grounding import nearest, nearest_pair
from ruie.records import Grounding, Span


def spans(*places: tuple[int, int]) -> list[Span]:
    return [Span("x", start, end, Grounding.EXACT) for start, end in places]


def test_nearest() -> None:
    three = spans((0, 2), (10, 12), (20, 22))
    assert nearest(three, Span("t", 14, 15)) == three[1]
    assert nearest(three, Span("t", 5, 7)) == three[0], "the earlier on a tie"
    assert nearest(three, Span("t", 20, 22)) == three[2]


def test_a_pair_overlaps_only_if_nothing_else_is() -> None:
    (head,) = spans((0, 9))
    inside, beyond = spans((1, 2), (3, 4), (5, 6), (7, 8)), spans((50, 51))
    assert nearest_pair([head], inside + beyond) == (head, beyond[0])
    assert nearest_pair([head], inside) == (head, inside[0])


def test_nearest_pair_looks_at_few_and_finds_what_looking_at_all_finds() -> None:
    """Every choice of heads and tails among six places, against all pairs."""

    def cost(head: Span, tail: Span) -> tuple[bool, int, int]:
        gap = max(0, head.start - tail.end, tail.start - head.end)
        overlap = head.start < tail.end and tail.start < head.end
        return overlap, gap, min(head.start, tail.start)

    starts = (0, 2, 3, 5, 9, 14)
    for chosen in product((0, 1, 2, 3), repeat=len(starts)):
        heads = spans(*((s, s + 4) for s, c in zip(starts, chosen, strict=True) if c & 1))[::2]
        tails = spans(*((s, s + 1) for s, c in zip(starts, chosen, strict=True) if c & 2))
        if heads and tails:
            best = min(cost(head, tail) for head in heads for tail in tails)
            assert cost(*nearest_pair(heads, tails)) == best
