"""Micro-averaged precision, recall and F1 of exact matches, in two forms.

The string form is the paper's (arXiv 2409.11673): (type, span), (type, head, tail),
(type, trigger), (role, argument), each string lower-cased and with white space collapsed and
removed around punctuation, counted once a query. The offset form is stricter: a span matches only
at its place in the document. Predictions whose type is not in the schema or whose span is not in
the text are rejected in parsing, before scoring.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ruie.records import Item

_AROUND_PUNCTUATION = re.compile(r" ?([^\w\s]) ?")


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of one or more queries; `+` adds them (micro average)."""

    gold: int = 0
    predicted: int = 0
    matched: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.gold + other.gold,
            self.predicted + other.predicted,
            self.matched + other.matched,
        )

    @property
    def precision(self) -> float:
        """matched / predicted; 0 if nothing was predicted."""
        return self.matched / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """matched / gold; 0 if there is no gold item."""
        return self.matched / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where both are 0."""
        total = self.gold + self.predicted
        return 2 * self.matched / total if total else 0.0


def score_strings(gold: Iterable[Item], predicted: Iterable[Item]) -> Score:
    """The paper's form, for one query."""
    return _score({strings(i) for i in gold}, {strings(i) for i in predicted})


def score_offsets(gold: Iterable[Item], predicted: Iterable[Item]) -> Score:
    """The strict form, for one query: type and offsets."""
    return _score({_offsets(i) for i in gold}, {_offsets(i) for i in predicted})


def _score(gold: set[tuple[object, ...]], predicted: set[tuple[object, ...]]) -> Score:
    return Score(len(gold), len(predicted), len(gold & predicted))


def strings(item: Item) -> tuple[str, ...]:
    """The paper's form of an item: its type and the words of its spans."""
    return (plain(item.type), *(plain(span.text) for span in item.spans))


def _offsets(item: Item) -> tuple[object, ...]:
    return (item.type, *((span.start, span.end) for span in item.spans))


def plain(text: str) -> str:
    """The string form of one piece of text."""
    return _AROUND_PUNCTUATION.sub(r"\1", " ".join(text.lower().split()))
