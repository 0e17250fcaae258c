"""The parts in which a document is indexed: one, unless it is too long for a tsvector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ruie.search_query import LONGEST_PHRASE
from ruie.words import located_words, words

# A tsvector has at most 255 positions of a word, positions up to 16,383, and 1 MiB in total.
SAME_WORD, MOST_WORDS, MOST_BYTES = 255, 10_000, 256 * 1024

OVERLAP = LONGEST_PHRASE - 1
"""Words that two parts share, so that every phrase is completely in one of them."""


@dataclass(frozen=True, slots=True)
class Part:
    """A range of a text, and its words."""

    char_start: int
    char_end: int
    words: Sequence[str]


def split(text: str) -> list[Part]:
    """The parts of a text, in their order."""
    every = words(text)
    if len(every) <= SAME_WORD:
        return [Part(0, len(text), every)]
    located = list(located_words(text))
    return [
        Part(
            located[start][1] if start else 0,
            located[end - 1][2] if end < len(every) else len(text),
            every[start:end],
        )
        for start, end in _ranges(every)
    ]


def entry(dialect: str, part: Part) -> str:
    """The part's words in the index's input format. They are letters, digits and marks: nothing in
    them needs quoting."""
    if dialect == "sqlite":
        return " ".join(part.words)
    return " ".join([f"'{word}':{place}" for place, word in enumerate(part.words, 1)])


def _ranges(every: Sequence[str]) -> Iterator[tuple[int, int]]:
    start, size = 0, 0
    same: Counter[str] = Counter()
    for i, word in enumerate(every):
        same[word] += 1
        size += len(word.encode())
        if same[word] > SAME_WORD or i - start >= MOST_WORDS or size > MOST_BYTES:
            yield start, i
            start = i - OVERLAP
            same = Counter(every[start : i + 1])
            size = sum(len(w.encode()) for w in every[start : i + 1])
    yield start, len(every)
