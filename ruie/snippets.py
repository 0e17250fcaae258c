"""The passage of a text that best shows why it was found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ruie.search_query import Term
from ruie.words import located_words

WIDTH = 200
"""Characters of a snippet, approximately."""

_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Snippet:
    """`text` is the document's from char_start to char_end, with spaces for all white space;
    `marks` are the matches (start, end) within the snippet. All offsets are in characters."""

    text: str
    marks: tuple[tuple[int, int], ...]
    char_start: int
    char_end: int


def snippet(text: str, terms: Sequence[Term], offset: int = 0, width: int = WIDTH) -> Snippet:
    """The `width` characters with the most different terms, the first of equals.

    offset: of the text within its document, in characters.
    """
    matched = matches(text, terms)
    first, last = _densest(matched, width)
    # the rest of the width is divided between both sides
    spare = max(0, width - (last - first))
    start = max(0, min(first - spare // 2, len(text) - width))
    end = min(len(text), max(last, start + width))
    start, end = _at_words(text, start, end, first, last)
    marks = _merged([(s - start, e - start) for s, e, _ in matched if start <= s and e <= end])
    return Snippet(_SPACE.sub(" ", text[start:end]), marks, offset + start, offset + end)


def matches(text: str, terms: Sequence[Term]) -> list[tuple[int, int, int]]:
    """Start, end and the term's index of every match, in text order."""
    located = list(located_words(text))
    matched = []
    for i, (word, start, _) in enumerate(located):
        for number, term in enumerate(terms):
            head, *rest = term.words
            if not (word == head or (term.prefix and not rest and word.startswith(head))):
                continue
            following = located[i : i + len(term.words)]
            if len(following) < len(term.words):
                continue
            *middle, last = (w for w, _, _ in following)
            fits = last.startswith(term.words[-1]) if term.prefix else last == term.words[-1]
            if fits and middle == list(term.words[:-1]):
                matched.append((start, following[-1][2], number))
    return matched


def _densest(matched: Sequence[tuple[int, int, int]], width: int) -> tuple[int, int]:
    """Start and end of the group of matches within `width` that has the most different terms."""
    best, span, stop = (0, 0), (0, 0), 0
    inside: Counter[int] = Counter()  # the matches from i to stop, by their terms
    for i, (start, _, number) in enumerate(matched):
        while stop < len(matched) and (stop == i or matched[stop][1] <= start + width):
            inside[matched[stop][2]] += 1
            stop += 1
        score = (len(inside), stop - i)
        if score > best:
            best, span = score, (start, max(end for _, end, _ in matched[i:stop]))
        inside[number] -= 1
        if not inside[number]:
            del inside[number]
    return span


def _at_words(text: str, start: int, end: int, first: int, last: int) -> tuple[int, int]:
    """Start and end moved to a space that is near, so that no word is cut."""
    if start > 0 and (space := _SPACE.search(text, start, min(first, start + 20))):
        start = space.end()
    if end < len(text):
        spaces = [space.start() for space in _SPACE.finditer(text, max(last, end - 20), end)]
        end = spaces[-1] if spaces else end
    return start, end


def _merged(marks: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Marks without overlaps: those of a phrase and of a word in it become one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(marks):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
