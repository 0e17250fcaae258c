"""Long texts in chunks: at sentence boundaries, within a budget of tokens, with some overlap.

Sentences are found by sentencex (Wikimedia; MIT), whose rules know some 300 languages; for others
it uses the signs that end sentences in all of them. Why this one: docs/architecture.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self

import regex

from ruie.output.linear import one_line
from ruie.tokens import estimate_tokens

Range = tuple[int, int]

WINDOW = 4096
"""Characters that the segmenter sees at a time: its time grows with the square of a paragraph."""
CONTEXT_CHARS = 300
"""Characters of a context that are sent: it is in the prompt of every chunk, and paid for there."""
PIECES_PER_BUDGET = 8
"""A sentence over the budget is cut into pieces of about this fraction of it: small enough for a
few of them to be an overlap."""
MAX_CLUSTER = 256
"""Characters that are looked back over to find where a grapheme begins: a longer one, or a longer
row of flags, is cut. Unicode's Stream-Safe Text Format (UAX 15) expects at most 30 marks on one
letter, and a text may hold nothing but marks."""

_CLAUSE = re.compile(r"[\n;:,.!?…—–،؛؟।॥、，；：。！？]+[\"'”’»)\]」』）]*\s*")
_GRAPHEME = regex.compile(r"\X")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Chunker:
    """Ranges (start, end) of a text, in characters, one for each call.

    budget_tokens: of one chunk. overlap: sentences that neighbours share, at most, and never more
    than half of the budget. language: a code such as `en`. count_tokens: by default the rule of
    ruie/tokens.py, so that a text has the same chunks wherever it is split.
    """

    budget_tokens: int = 256
    overlap: int = 1
    language: str = "en"
    count_tokens: Callable[[str], int] = field(default=estimate_tokens, repr=False)

    def __call__(self, text: str) -> list[Range]:
        """The ranges of a text's chunks: one for a text within the budget.

        They cover everything but white space; both their starts and their ends ascend; each is
        within the budget, unless it is a single character that is not.
        """
        if self.count_tokens(text) <= self.budget_tokens:
            return [(0, len(text))]
        units = [unit for sentence in _sentences(text, self.language)
                 for unit in self._fitting(text, *sentence)]  # fmt: skip
        return self._packed(text, units) or [(0, len(text))]

    def body(self) -> dict[str, Any]:
        """As plain JSON values, for a job's settings."""
        return {
            "tokens": self.budget_tokens,
            "overlap": self.overlap,
            "language": self.language,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """The inverse of `body`."""
        return cls(body["tokens"], body["overlap"], body["language"])

    def _fits(self, text: str, start: int, end: int, budget: int) -> bool:
        return self.count_tokens(text[start:end]) <= budget

    def _fitting(self, text: str, start: int, end: int) -> Iterator[Range]:
        """A sentence, in pieces if it is over the budget."""
        if self._fits(text, start, end, self.budget_tokens):
            yield start, end
            return
        while start < end:
            cut = self._cut(text, start, end)
            yield from _trimmed(text, start, cut)
            start = cut

    def _cut(self, text: str, start: int, end: int) -> int:
        """Where the next piece ends: after a clause, else a word, else a grapheme."""
        share = max(1, self.budget_tokens // PIECES_PER_BUDGET)
        reach = self._reach(text, start, end, share)
        if reach == end:
            return end
        half = start + (reach - start) // 2
        for pattern, least in ((_CLAUSE, half), (_SPACE, start + 1)):
            ends = [m.end() for m in pattern.finditer(text, start, reach)]
            if ends and ends[-1] > least:
                return ends[-1]
        # a word longer than a piece: whole if it fits the budget
        reach = self._reach(text, start, end, self.budget_tokens)
        if space := _SPACE.search(text, start, reach):
            return space.end()
        if reach == end:
            return end
        earliest = max(start, reach - MAX_CLUSTER)
        cuts = (cut for cut in range(reach, earliest, -1) if _boundary(text, cut, start))
        return next(cuts, reach)

    def _reach(self, text: str, start: int, end: int, budget: int) -> int:
        """The furthest end within a budget, by bisection; at least one character on."""
        low, step = start + 1, 4 * budget
        high = min(end, start + step)
        while high < end and self._fits(text, start, high, budget):
            low, step = high, 2 * step
            high = min(end, start + step)
        if high == end and self._fits(text, start, end, budget):
            return end
        while low + 1 < high:
            middle = (low + high) // 2
            if self._fits(text, start, middle, budget):
                low = middle
            else:
                high = middle
        return low

    def _packed(self, text: str, units: list[Range]) -> list[Range]:
        """As many units in each chunk as fit."""
        costs = [self.count_tokens(text[start:end]) for start, end in units]
        # what the white space before a unit costs at least: nothing, as long as it is short
        gaps = [max(0, self.count_tokens(text[a[1] : b[0]]) - 1) for a, b in pairwise(units)]
        chunks: list[Range] = []
        first = fresh = 0
        while fresh < len(units):
            last, used = fresh, sum(costs[first : fresh + 1])
            blank = 0
            while last + 1 < len(units) and used + costs[last + 1] <= self.budget_tokens:
                blank += gaps[last]
                if blank > self.budget_tokens:
                    break
                last += 1
                used += costs[last]
            # the sum of the parts is close to the whole, not always above it
            last = self._last_that_fits(text, units, first, fresh, last)
            while first < fresh and last == fresh:
                if self._fits(text, units[first][0], units[last][1], self.budget_tokens):
                    break
                first += 1
            chunks.append((units[first][0], units[last][1]))
            earliest = first + 1
            fresh = first = last + 1
            if fresh == len(units):
                break
            room = min(self.budget_tokens // 2, self.budget_tokens - costs[fresh])
            for _ in range(self.overlap):
                if first - 1 < earliest or costs[first - 1] > room:
                    break
                first -= 1
                room -= costs[first]
        return chunks

    def _last_that_fits(
        self, text: str, units: list[Range], first: int, fresh: int, last: int
    ) -> int:
        """The last unit, from `fresh` to `last`, up to which the units fit in one chunk; `fresh` if
        none does. By bisection: white space between units may be most of a text."""
        start, low, high = units[first][0], fresh, last
        middle = last  # nearly always
        while low < high:
            if self._fits(text, start, units[middle][1], self.budget_tokens):
                low = middle
            else:
                high = middle - 1
            middle = (low + high + 1) // 2
        return low


def context_of(metadata: object, key: str) -> str:
    """The value of `key` in a document's metadata, as one line of at most `CONTEXT_CHARS`; "" where
    it is missing, or neither text nor a number."""
    value = metadata.get(key) if isinstance(metadata, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return one_line(str(value))[:CONTEXT_CHARS].rstrip()


def shared_ranges(chunk: Range, others: list[Range]) -> list[Range]:
    """The parts of a chunk that it shares with other chunks."""
    overlaps = ((max(chunk[0], start), min(chunk[1], end)) for start, end in others)
    return [(start, end) for start, end in overlaps if start < end and (start, end) != chunk]


def _sentences(text: str, language: str) -> Iterator[Range]:
    """Ranges of sentences without the white space around them, in order."""
    ends = [0, *_ends(text, language), len(text)]
    for start, end in pairwise(ends):
        yield from _trimmed(text, start, end)


def _ends(text: str, language: str) -> Iterator[int]:
    from sentencex import get_sentence_boundaries

    # half a surrogate pair, which damaged text may hold, has no UTF-8
    plain = re.sub("[\ud800-\udfff]", "\ufffd", text)
    start, size = 0, WINDOW
    while start < len(plain):
        window = plain[start : start + size]
        ends = [b["end_index"] for b in get_sentence_boundaries(language, window)]
        if start + size < len(plain):
            ends = ends[:-1]  # the last sentence may continue after the window
            if not ends and size < 8 * WINDOW:
                size *= 2
                continue
            ends = ends or [len(window)]
        for end in ends:
            if _boundary(text, start + end):
                yield start + end
        start, size = start + ends[-1], WINDOW


def _boundary(text: str, at: int, since: int = 0) -> bool:
    """Whether a grapheme ends there (Unicode UAX 29), as far as `MAX_CLUSTER` characters before it
    can tell; since: a place where one begins."""
    if at <= 0 or at >= len(text):
        return True
    # a part of the text: the library looks at all that is before and after
    begin = max(since, at - MAX_CLUSTER)
    whole = _GRAPHEME.match(text[begin : at + 1], at - 1 - begin)
    return whole is None or whole.end() <= at - begin


def _trimmed(text: str, start: int, end: int) -> Iterator[Range]:
    piece = text[start:end]
    if stripped := piece.strip():
        start += len(piece) - len(piece.lstrip())
        yield start, start + len(stripped)
