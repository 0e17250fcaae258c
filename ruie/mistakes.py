"""What kinds of mistakes a model makes: each gold item and each prediction is counted once.

Items are compared as `score_strings` does, so that what is right here is right there. Gold items
and predictions are paired one to one, in this order, each time in the order of the text:

1. right: same type, same words;
2. wrong direction: same type, a relation's head and tail exchanged;
3. wrong type: same words, another type;
4. wrong boundary: same type, and the spans overlap at some place: for a relation both of them.

A gold item that is left over is missed, a prediction that is left over is invented. What parsing
refused is counted by its reason, and once however often it was said: a small model may say the same
a hundred times. A repetition of what is in the text is no mistake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from ruie.records import Item, Reject, RejectReason, Span
from ruie.scoring import plain


class Mistake(StrEnum):
    """A kind of mistake; the order is that of tables."""

    WRONG_TYPE = "wrong_type"
    WRONG_BOUNDARY = "wrong_boundary"
    WRONG_DIRECTION = "wrong_direction"
    MISSED = "missed"
    INVENTED = "invented"
    LEAKED = "leaked"
    NOT_IN_TEXT = "not_in_text"
    NOT_IN_SCHEMA = "not_in_schema"
    MALFORMED = "malformed"


_OF_REJECTS = {
    RejectReason.LEAKED: Mistake.LEAKED,
    RejectReason.NOT_IN_TEXT: Mistake.NOT_IN_TEXT,
    RejectReason.UNKNOWN_TYPE: Mistake.NOT_IN_SCHEMA,
    RejectReason.MALFORMED: Mistake.MALFORMED,
}


@dataclass(frozen=True, slots=True)
class _Told:
    """Items that are the same in the string form, with all the places where they are."""

    type: str
    words: tuple[str, ...]
    places: tuple[tuple[Span, ...], ...]


def mistakes(
    gold: Iterable[Item], predicted: Iterable[Item], rejects: Iterable[Reject] = ()
) -> Counter[Mistake]:
    """How many of each kind, for one query."""
    wanted, said = _told(gold), _told(predicted)
    counts: Counter[Mistake] = Counter()
    _pair(wanted, said, lambda a, b: (a.type, a.words) == (b.type, b.words))
    kinds: tuple[tuple[Mistake, Callable[[_Told, _Told], bool]], ...] = (
        (Mistake.WRONG_DIRECTION, lambda a, b: a.type == b.type and a.words == b.words[::-1]),
        (Mistake.WRONG_TYPE, lambda a, b: a.words == b.words),
        (Mistake.WRONG_BOUNDARY, lambda a, b: a.type == b.type and _overlap(a, b)),
    )
    for kind, alike in kinds:
        counts[kind] = _pair(wanted, said, alike)
    counts[Mistake.MISSED] = len(wanted)
    counts[Mistake.INVENTED] = len(said)
    refused = {(reject.reason, plain(reject.raw)) for reject in rejects}
    counts.update(_OF_REJECTS[reason] for reason, _ in refused if reason in _OF_REJECTS)
    return +counts


def _told(items: Iterable[Item]) -> list[_Told]:
    places: dict[tuple[str, tuple[str, ...]], list[tuple[Span, ...]]] = {}
    for item in items:
        key = plain(item.type), tuple(plain(span.text) for span in item.spans)
        places.setdefault(key, []).append(item.spans)
    found = [_Told(kind, words, tuple(at)) for (kind, words), at in places.items()]
    return sorted(found, key=lambda one: min(_offsets(spans) for spans in one.places))


def _offsets(spans: tuple[Span, ...]) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in spans]


def _pair(wanted: list[_Told], said: list[_Told], alike: Callable[[_Told, _Told], bool]) -> int:
    """Take out each gold item with the first prediction that is alike. How many pairs?"""
    left: list[_Told] = []
    for one in wanted:
        other = next((candidate for candidate in said if alike(one, candidate)), None)
        if other is None:
            left.append(one)
        else:
            said.remove(other)
    pairs = len(wanted) - len(left)
    wanted[:] = left
    return pairs


def _overlap(one: _Told, other: _Told) -> bool:
    return any(
        len(here) == len(there)
        and all(a.start < b.end and b.start < a.end for a, b in zip(here, there, strict=True))
        for here in one.places
        for there in other.places
    )
