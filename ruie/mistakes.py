"""Kinds of mistakes of a model: each gold item and each prediction is counted once.

Items are compared as in `score_strings`, so that both agree on what is right. Gold items and
predictions are paired one to one by these rules, in this order, each applied in text order:

1. right: same type, same words;
2. wrong direction: same type, a relation's head and tail exchanged;
3. wrong type: same words, another type;
4. wrong boundary: same type, overlapping spans (of a relation, both spans).

An unpaired gold item is missed, an unpaired prediction is invented. What parsing rejected is
counted by its reason, equal rejects once: a small model may repeat itself a hundred times.
Repeating an item that is in the text is not a mistake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from ruie.records import Item, Reject, RejectReason, Span
from ruie.scoring import plain


class Mistake(StrEnum):
    """A kind of mistake, in the order of tables."""

    WRONG_TYPE = "wrong_type"
    WRONG_BOUNDARY = "wrong_boundary"
    WRONG_DIRECTION = "wrong_direction"
    MISSED = "missed"
    INVENTED = "invented"
    LEAKED = "leaked"
    NOT_IN_TEXT = "not_in_text"
    NOT_IN_SCHEMA = "not_in_schema"
    MALFORMED = "malformed"


_BY_REASON = {
    RejectReason.LEAKED: Mistake.LEAKED,
    RejectReason.NOT_IN_TEXT: Mistake.NOT_IN_TEXT,
    RejectReason.UNKNOWN_TYPE: Mistake.NOT_IN_SCHEMA,
    RejectReason.MALFORMED: Mistake.MALFORMED,
}


@dataclass(frozen=True, slots=True)
class _DistinctItem:
    """Items that are equal in the string form, with the spans of each."""

    type: str
    words: tuple[str, ...]
    occurrences: tuple[tuple[Span, ...], ...]


def mistakes(
    gold: Iterable[Item], predicted: Iterable[Item], rejects: Iterable[Reject] = ()
) -> Counter[Mistake]:
    """How many of each kind, for one query."""
    missed, invented = _distinct(gold), _distinct(predicted)
    counts: Counter[Mistake] = Counter()
    _pair(missed, invented, lambda a, b: (a.type, a.words) == (b.type, b.words))
    kinds: tuple[tuple[Mistake, Callable[[_DistinctItem, _DistinctItem], bool]], ...] = (
        (Mistake.WRONG_DIRECTION, lambda a, b: a.type == b.type and a.words == b.words[::-1]),
        (Mistake.WRONG_TYPE, lambda a, b: a.words == b.words),
        (Mistake.WRONG_BOUNDARY, lambda a, b: a.type == b.type and _overlap(a, b)),
    )
    for kind, alike in kinds:
        counts[kind] = _pair(missed, invented, alike)
    counts[Mistake.MISSED] = len(missed)
    counts[Mistake.INVENTED] = len(invented)
    distinct = {(reject.reason, plain(reject.raw)) for reject in rejects}
    counts.update(_BY_REASON[reason] for reason, _ in distinct if reason in _BY_REASON)
    return +counts


def _distinct(items: Iterable[Item]) -> list[_DistinctItem]:
    """In text order."""
    spans: dict[tuple[str, tuple[str, ...]], list[tuple[Span, ...]]] = {}
    for item in items:
        key = plain(item.type), tuple(plain(span.text) for span in item.spans)
        spans.setdefault(key, []).append(item.spans)
    distinct = [_DistinctItem(kind, words, tuple(all_)) for (kind, words), all_ in spans.items()]
    return sorted(distinct, key=lambda one: min(map(_offsets, one.occurrences)))


def _offsets(spans: tuple[Span, ...]) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in spans]


def _pair(
    gold: list[_DistinctItem],
    predicted: list[_DistinctItem],
    alike: Callable[[_DistinctItem, _DistinctItem], bool],
) -> int:
    """Remove each gold item with the first prediction that is alike; returns how many pairs."""
    unpaired: list[_DistinctItem] = []
    for one in gold:
        other = next((candidate for candidate in predicted if alike(one, candidate)), None)
        if other is None:
            unpaired.append(one)
        else:
            predicted.remove(other)
    pairs = len(gold) - len(unpaired)
    gold[:] = unpaired
    return pairs


def _overlap(one: _DistinctItem, other: _DistinctItem) -> bool:
    return any(
        len(here) == len(there)
        and all(a.start < b.end and b.start < a.end for a, b in zip(here, there, strict=True))
        for here in one.occurrences
        for there in other.occurrences
    )
