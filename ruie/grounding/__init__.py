"""Grounding: from a string that the model wrote to character offsets in the document.

The first of three steps that succeeds decides:

1. exact: the string as it is.
2. normalised: both sides in Unicode's compatibility form (NFKD), case folded, typographic quotes
   and dashes as their ASCII forms, invisible characters dropped, HTML's character references
   (`&amp;`) as what they stand for, white space collapsed and removed beside punctuation (corpora
   are often tokenised: `OPEC 's` for `OPEC's`). All of it is in ruie/grounding/normal.py.
3. fuzzy: the window of whole words, each of which is the same word as one of the string, in the
   same order, but may be spelt or inflected differently (ruie/grounding/spelling.py). Numbers with
   their sign and decimal mark, number words, short words and symbols (`$`, `%`) are equal, and so
   is every character of a script without spaces; nothing is missing but `the`, `an`, `of`, `'s` or
   a title. Of several windows the most similar one is taken, and none whose similarity (rapidfuzz's
   `ratio`, the normalised Indel similarity) is under `FUZZY_THRESHOLD`. Strings of fewer than
   `FUZZY_MIN_CHARS` characters are not compared.

An occurrence begins and ends where a word or a number does: `art` is not in `party`, nor `50 mg` in
`150 mg`. A word may end after each letter of a script without spaces, and a part of a word is found
where particles are written together with it (Hangul, Arabic, Hebrew), if the text has it nowhere as
a word of its own. What a word is, is in ruie/scripts.py. Of the 39,551 spans that are annotated in
the corpora of benchmarks/ none begins or ends inside a word.

Which of several occurrences is meant: an entity or a trigger that is predicted for the n-th time is
the n-th in the text; a relation takes the pair of head and tail with the fewest characters between
them (the earlier on a tie); an argument takes the occurrence nearest to its trigger.

Each string is looked for once, however often it is written. The third step's work is bounded for
each string (ruie/grounding/fuzzy.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from ruie.grounding.choice import nearest, nearest_pair
from ruie.grounding.fuzzy import FUZZY_MIN_CHARS, FUZZY_THRESHOLD, FuzzyFinder
from ruie.grounding.normal import Normal, find_all, normalise
from ruie.records import Grounding, Span
from ruie.scripts import may_be_glued, same_word

__all__ = [
    "FUZZY_MIN_CHARS",
    "FUZZY_THRESHOLD",
    "MAX_OCCURRENCES",
    "Grounder",
    "nearest",
    "nearest_pair",
    "normalise",
]

MAX_OCCURRENCES = 200
"""Occurrences considered of one string: bounds the number of pairs in a pathological document."""

_PARTED = re.compile(r"\d(?:\s+[.,]\s*|[.,]\s+)\d")
"""White space beside a mark between digits, which is none within a number."""
WHOLE, GLUED, INSIDE = range(3)
"""Where a word ends; where a particle may be written together with it; inside a word or number."""


class Grounder:
    """Finds strings in one text. `contains` and `occurrences` never raise."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._known: dict[str, tuple[Span, ...]] = {}
        self._contained: dict[str, bool] = {}

    @cached_property
    def _normal(self) -> Normal:
        return Normal(self.text)

    @cached_property
    def _fuzzy(self) -> FuzzyFinder:
        return FuzzyFinder(self._normal)

    def contains(self, piece: str) -> bool:
        """Whether the text contains the piece, exactly or in normalised form."""
        piece = piece.strip()
        if piece not in self._contained:
            self._contained[piece] = self._contains(piece)
        return self._contained[piece]

    def _contains(self, piece: str) -> bool:
        if not piece:
            return False
        if any(self._limit(*found) < INSIDE for found in find_all(self.text, piece)):
            return True
        return any(self._limit(*found) < INSIDE for found in self._normalised(piece))

    def _normalised(self, piece: str) -> Iterator[tuple[int, int]]:
        """Where its normalised form is. Two numbers (`2019, 5`) are not one that is written so."""
        one = not _PARTED.search(piece)
        for start, end in self._normal.find(normalise(piece)):
            if not (one and _PARTED.search(self.text, start, end)):
                yield start, end

    def occurrences(self, piece: str) -> tuple[Span, ...]:
        """Every occurrence of the piece, in text order, all found by the same step.

        Occurrences do not overlap each other. There are none if no step finds the piece.
        """
        piece = piece.strip()
        if piece not in self._known:
            self._known[piece] = tuple(self._located(piece))
        return self._known[piece]

    def _located(self, piece: str) -> Iterator[Span]:
        form = ""
        ranges, step = self._whole_words(find_all(self.text, piece)), Grounding.EXACT
        if not ranges and (form := normalise(piece)):
            ranges, step = self._whole_words(self._normalised(piece)), Grounding.NORMALISED
        if not ranges and form and (window := self._fuzzy.find(form, Normal(piece))):
            ranges, step = [self._normal.span(*window)], Grounding.FUZZY
        for start, end in ranges:
            yield Span(self.text[start:end], start, end, step)

    def _whole_words(self, ranges: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
        """The occurrences that are whole words; if there are none, those beside particles. None of
        them overlaps an earlier one."""
        whole: list[tuple[int, int]] = []
        parts: list[tuple[int, int]] = []
        for start, end in ranges:
            limit = self._limit(start, end)
            before = whole if limit == WHOLE else parts
            if before and start < before[-1][1]:
                continue
            if limit == WHOLE:
                whole.append((start, end))
                if len(whole) == MAX_OCCURRENCES:
                    break
            elif limit == GLUED and len(parts) < MAX_OCCURRENCES:
                parts.append((start, end))
        return whole or parts

    def _limit(self, start: int, end: int) -> int:
        """How a range of the text begins and ends, the worse of the two."""
        return max(self._inside(start), self._inside(end))

    def _inside(self, at: int) -> int:
        """Whether position `at` is inside a word, or inside a number: `5` in `1.5`."""
        if not 0 < at < len(self.text):
            return WHOLE
        before, after = self.text[at - 1], self.text[at]
        if same_word(before, after):
            return GLUED if may_be_glued(before, after) else INSIDE
        if before in ".,":
            inside = after.isdecimal() and at > 1 and self.text[at - 2].isdecimal()
        else:
            inside = after in ".," and before.isdecimal() and self.text[at + 1 : at + 2].isdecimal()
        return INSIDE if inside else WHOLE
