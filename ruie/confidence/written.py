"""Where in an answer an item was written, and how probable the model found those tokens."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from ruie.llm.log_probs import LogProbs

FAR = 2_000
"""An item is looked for among so many characters after the one before it."""

Place = tuple[int, int]


def log_probabilities(tokens: LogProbs, written: Sequence[Sequence[str]]) -> Iterator[float | None]:
    """For each item the natural logarithm of the probability of all tokens of its type and its
    spans, and of the one after them, which says that the last span ends there; None where it is not
    found.

    written: of each item its type and its spans, in the order of the answer.
    """
    text = "".join(token for token, _ in tokens)
    probable = _Sums(tokens)
    end = 0  # of the item before
    for kind, *spans in written:
        places = _places(text, spans, end)
        if places is None:
            yield None
            continue
        (start, _), (_, end) = places[0], places[-1]
        named = text.rfind(kind, max(0, start - FAR), start)
        if named >= 0:
            places.append((named, named + len(kind)))
        yield sum(probable.of(place) for place in places) + probable.after(end)


class _Sums:
    """Log-probabilities, summed over the tokens of a part of the text."""

    def __init__(self, tokens: LogProbs) -> None:
        self._ends = list(accumulate(len(token) for token, _ in tokens))
        self._sums = [0.0, *accumulate(value for _, value in tokens)]

    def of(self, place: Place) -> float:
        """Of the tokens that have a character of it."""
        first = bisect_right(self._ends, place[0])
        last = bisect_left(self._ends, place[1])
        return self._sums[last + 1] - self._sums[first]

    def after(self, end: int) -> float:
        """Of the token after the one that ends there, or behind it."""
        last = bisect_left(self._ends, end)
        return self._sums[min(last + 2, len(self._ends))] - self._sums[last + 1]


def _places(text: str, spans: Sequence[str], begin: int) -> list[Place] | None:
    """Where the spans are, one behind the other, or None."""
    places: list[Place] = []
    for span in spans:
        found = _place(text, span, begin)
        if found is None:
            return None
        places.append(found)
        begin = found[1]
    return places


def _place(text: str, span: str, begin: int) -> Place | None:
    """Where it is as it is, or as JSON writes it."""
    for form in dict.fromkeys((span, json.dumps(span, ensure_ascii=False)[1:-1],
                               json.dumps(span)[1:-1])):  # fmt: skip  # three forms of one
        start = text.find(form, begin, begin + FAR + len(form))
        if start >= 0:
            return start, start + len(form)
    return None
