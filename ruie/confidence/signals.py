"""What is known of an item when its answer is read, and says how far it may be trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import compress, repeat

from ruie.confidence.written import log_probabilities
from ruie.llm.log_probs import LogProbs
from ruie.parsing import Written
from ruie.records import Demonstration, Grounding, Item

LEAST = -20.0
"""No item counts as less probable than this natural logarithm says."""


@dataclass(frozen=True, slots=True)
class Signals:
    """Of one item.

    log_probability: natural logarithm of the probability of its tokens under the LLM (see
    `ruie.confidence.written`); None where the endpoint does not say. support: share of the
    demonstrations that have an item of its type, 0 to 1. known: share of its spans that a
    demonstration has with the same type. exact: share of its spans that are in the text as they
    were written. rivals: items of the answer with the same spans and another type.
    """

    log_probability: float | None
    support: float
    known: float
    exact: float
    rivals: float

    @property
    def cheap(self) -> tuple[float, ...]:
        """Those that there are always."""
        return astuple(self)[1:]


def signals(
    items: Sequence[Item],
    written: Sequence[Written],
    tokens: LogProbs,
    demonstrations: Sequence[Demonstration],
) -> Iterator[Signals]:
    """Of each item of an answer. written: as of `Parsed`."""
    shown = [
        (item.type, _folded(span.text))
        for each in demonstrations
        for item in each.items
        for span in item.spans
    ]
    known = set(shown)
    types = Counter(kind for each in demonstrations for kind in {item.type for item in each.items})
    places = Counter(_place(item) for item in items)
    probable: Iterable[float | None] = repeat(None, len(items))
    if tokens:
        every = log_probabilities(tokens, [each.words for each in written])
        probable = compress(every, [each.is_item for each in written])
    for item, log_probability in zip(items, probable, strict=True):
        spans = len(item.spans)
        yield Signals(
            None if log_probability is None else max(log_probability, LEAST),
            types[item.type] / len(demonstrations) if demonstrations else 0.0,
            sum((item.type, _folded(span.text)) in known for span in item.spans) / spans,
            sum(span.grounding is Grounding.EXACT for span in item.spans) / spans,
            float(places[_place(item)] - 1),
        )


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _place(item: Item) -> tuple[tuple[int, int], ...]:
    return tuple((span.start, span.end) for span in item.spans)
