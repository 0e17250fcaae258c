"""Where in an answer an item was written, and how probable the model found those tokens."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from ruie.llm.log_probs import LogProbs

FAR = 20_000
"""An item is looked for among so many characters after the one before it."""

Place = tuple[int, int]


def log_probabilities(tokens: LogProbs, written: Sequence[Sequence[str]]) -> Iterator[float | None]:
    """For each item the natural logarithm of the probability of all tokens of its type and its
    spans, and of the one after them, which says that the last span ends there; None where it is not
    found.

    written: of each item its type and its spans, in the order of the answer, and so of what is no
    item, or else its words would be taken for those of the next.
    """
    text = "".join(token for token, _ in tokens)
    probable = _Sums(tokens)
    end = 0  # of the item before
    type_last: bool | None = None  # whether types stand behind their spans, as JSON may have them
    for kind, *spans in written:
        places = _places(text, spans, end)
        ahead = _place(text, kind, end)
        if places and ahead and ahead[0] <= places[0][0]:
            places = _places(text, spans, ahead[1]) or places
        if not places:
            yield None
            continue
        start, span_end = places[0][0], places[-1][1]
        end = span_end
        own = _last(text, kind, start)
        if type_last is None:
            type_last = own is None and ahead is not None
        if type_last:
            own = _place(text, kind, end)
            end = own[1] if own else end
        yield sum(map(probable.of, places + ([own] if own else []))) + probable.after(span_end)


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


def _places(text: str, spans: Sequence[str], begin: int) -> list[Place]:
    """Where the spans are, one behind the other; empty where one is not found."""
    places: list[Place] = []
    for span in spans:
        found = _place(text, span, begin)
        if found is None:
            return []
        places.append(found)
        begin = found[1]
    return places


def _place(text: str, words: str, begin: int) -> Place | None:
    """The next place where they are as they are, or as JSON writes them."""
    for form in _forms(words):
        start = text.find(form, begin, begin + FAR + len(form))
        if start >= 0:
            return start, start + len(form)
    return None


def _last(text: str, words: str, before: int) -> Place | None:
    """The last place before another."""
    for form in _forms(words):
        start = text.rfind(form, max(0, before - FAR), before)
        if start >= 0:
            return start, start + len(form)
    return None


def _forms(words: str) -> Iterable[str]:
    quoted = json.dumps(words, ensure_ascii=False)[1:-1]
    return dict.fromkeys((words, quoted, json.dumps(words)[1:-1]))
