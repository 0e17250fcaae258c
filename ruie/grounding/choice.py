"""Which of several occurrences is meant, where another span decides it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from ruie.records import Span


def nearest(occurrences: Sequence[Span], anchor: Span) -> Span:
    """The occurrence with the fewest characters between it and `anchor`; the earlier on a tie."""
    return min(occurrences, key=lambda span: (_gap(span, anchor), span.start))


def nearest_pair(heads: Sequence[Span], tails: Sequence[Span]) -> tuple[Span, Span]:
    """The pair with the fewest characters between its spans; spans that overlap as a last resort.

    Both lists are in text order, so the best tail of a head is one of its neighbours: those that
    begin just before and after it begins, or the first that begins after it ends.
    """
    starts = [tail.start for tail in tails]
    pairs: list[tuple[bool, int, int, Span, Span]] = []
    for head in heads:
        after = bisect_right(starts, head.start)
        beyond = bisect_left(starts, head.end)
        for tail in (*tails[max(0, after - 2) : after + 2], *tails[beyond : beyond + 1]):
            overlap = head.start < tail.end and tail.start < head.end
            pairs.append((overlap, _gap(head, tail), min(head.start, tail.start), head, tail))
    best = min(pairs, key=lambda pair: pair[:3])
    return best[3], best[4]


def _gap(a: Span, b: Span) -> int:
    return max(0, a.start - b.end, b.start - a.end)
