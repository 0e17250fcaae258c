"""The place of a text that shows best why it was found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ruie.search_query import Term
from ruie.words import located_words

WIDTH = 200
"""Characters of a snippet, about."""

_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Snippet:
    """`text` is the document's from char_start to char_end, each white space a space; `marks` are
    the matches in it (start, end), counted from its own beginning. In characters."""

    text: str
    marks: tuple[tuple[int, int], ...]
    char_start: int
    char_end: int


def snippet(text: str, terms: Sequence[Term], offset: int = 0, width: int = WIDTH) -> Snippet:
    """The `width` characters with the most different terms, the first of equals.

    offset: where in its document the text begins.
    """
    found = matches(text, terms)
    first, last = _densest(found, width)
    # what is left of the width goes half before and half after
    spare = max(0, width - (last - first))
    start = max(0, min(first - spare // 2, len(text) - width))
    end = min(len(text), max(last, start + width))
    start, end = _at_words(text, start, end, first, last)
    marks = _joined([(s - start, e - start) for s, e, _ in found if start <= s and e <= end])
    return Snippet(_SPACE.sub(" ", text[start:end]), marks, offset + start, offset + end)


def matches(text: str, terms: Sequence[Term]) -> list[tuple[int, int, int]]:
    """Start, end and the term's index of every match, in the text's order."""
    located = list(located_words(text))
    found = []
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
                found.append((start, following[-1][2], number))
    return found


def _densest(found: Sequence[tuple[int, int, int]], width: int) -> tuple[int, int]:
    """The span of the matches that are shown."""
    best, span, stop = (0, 0), (0, 0), 0
    for i, (start, end, _) in enumerate(found):
        stop = max(stop, i + 1)
        while stop < len(found) and found[stop][1] <= start + width:
            stop += 1
        inside = found[i:stop]
        worth = (len({number for _, _, number in inside}), len(inside))
        if worth > best:
            best, span = worth, (start, max(end, *(e for _, e, _ in inside)))
    return span


def _at_words(text: str, start: int, end: int, first: int, last: int) -> tuple[int, int]:
    """The same, not beginning or ending in a word where a space is near."""
    if start > 0 and (space := _SPACE.search(text, start, min(first, start + 20))):
        start = space.end()
    if end < len(text):
        spaces = [space.start() for space in _SPACE.finditer(text, max(last, end - 20), end)]
        end = spaces[-1] if spaces else end
    return start, end


def _joined(marks: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Marks that touch no other: a phrase and a word of it are one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(marks):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)
