"""Which of several occurrences is meant, where another span decides it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import inf

from ruie.records import Span


def nearest(occurrences: Sequence[Span], anchor: Span) -> Span:
    """The occurrence with the fewest characters between it and `anchor`; the earlier on a tie."""
    return min(occurrences, key=lambda span: (_gap(span, anchor), span.start))


def nearest_pair(heads: Sequence[Span], tails: Sequence[Span]) -> tuple[Span, Span]:
    """The pair with the fewest characters between its spans; spans that overlap as a last resort.

    Both lists are in text order, so the best tail of a head is one of its neighbours: those that
    begin just before and after it begins, or the first that begins after it ends.
    """
    places = [(tail.start, tail.end) for tail in tails]
    starts = [start for start, _ in places]
    best: tuple[bool, float, float] = (True, inf, inf)
    pair = heads[0], tails[0]
    for head in heads:
        start, end = head.start, head.end
        after = bisect_right(starts, start)
        beyond = bisect_left(starts, end)
        for at in (*range(max(0, after - 2), min(after + 2, len(tails))), beyond):
            if at == len(tails):
                continue
            a, b = places[at]
            gap = a - end if a >= end else start - b
            # an overlap has no gap; empty spans are no occurrences
            cost = (gap < 0, max(0, gap), min(start, a))
            if cost < best:
                best, pair = cost, (head, tails[at])
    return pair


def _gap(a: Span, b: Span) -> int:
    return max(0, a.start - b.end, b.start - a.end)
