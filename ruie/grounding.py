"""Grounding: from a string that the model wrote to character offsets in the document.

The first of three steps that succeeds decides:

1. exact: the string as it is.
2. normalised: both sides in Unicode's compatibility form (NFKD), case folded, typographic quotes
   and dashes as their ASCII forms, invisible characters dropped, white space collapsed and
   removed beside punctuation (corpora are often tokenised: `OPEC 's` for `OPEC's`).
3. fuzzy: the best window of the normalised text whose similarity (rapidfuzz's `ratio`, the
   normalised Indel similarity) is at least `FUZZY_THRESHOLD`, for strings of at least
   `FUZZY_MIN_CHARS` characters; the window's ends are moved to the ends of words.

Which of several occurrences is meant: whole words are preferred to parts of longer words (the rule
is in ruie/scripts.py). Of the remaining ones, an entity or a trigger that is predicted for the n-th
time is the n-th in the text; a relation takes the pair of head and tail with the fewest characters
between them (the earlier on a tie); an argument takes the occurrence nearest to its trigger.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache

from rapidfuzz import fuzz

from ruie.records import Grounding, Span
from ruie.scripts import is_word_char, same_word

FUZZY_THRESHOLD = 0.85
FUZZY_MIN_CHARS = 5
ALIGNMENT_SLACK = 15
"""Points of 100 by which an alignment may be below the threshold before its ends are moved."""
MAX_OCCURRENCES = 200
"""Occurrences considered of one string: bounds the number of pairs in a pathological document."""

MAX_MARKS = 30
"""Marks on one letter that are sorted together, as in Unicode's Stream-Safe Text Format (UAX 15):
sorting is quadratic, and a text may hold nothing but marks."""

_SAME = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032`\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    }
)


class Grounder:
    """Finds strings in one text. `contains` and `occurrences` never raise."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _normal(self) -> _Normal:
        return _Normal(self.text)

    def contains(self, piece: str) -> bool:
        """Whether the text contains the piece, exactly or in normalised form."""
        if not piece.strip():
            return False
        if piece in self.text:
            return True
        return any(True for _ in self._normal.find(normalise(piece)))

    def occurrences(self, piece: str) -> list[Span]:
        """Every occurrence of the piece, in text order, all found by the same step.

        Occurrences do not overlap each other. The list is empty if no step finds the piece.
        """
        piece = piece.strip()
        if not piece:
            return []
        if ranges := self._whole_words(_find_all(self.text, piece)):
            return [Span(self.text[a:b], a, b, Grounding.EXACT) for a, b in ranges]
        form = normalise(piece)
        if not form:
            return []
        if ranges := self._whole_words(self._normal.find(form)):
            return [Span(self.text[a:b], a, b, Grounding.NORMALISED) for a, b in ranges]
        if window := self._fuzzy(form):
            a, b = window
            return [Span(self.text[a:b], a, b, Grounding.FUZZY)]
        return []

    def _whole_words(self, ranges: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
        """The occurrences that are whole words; if there are none, all."""
        every = list(ranges)
        whole = [(a, b) for a, b in every if not self._inside(a) and not self._inside(b)]
        return (whole or every)[:MAX_OCCURRENCES]

    def _inside(self, at: int) -> bool:
        """Whether position `at` is inside a word."""
        return 0 < at < len(self.text) and same_word(self.text[at - 1], self.text[at])

    def _fuzzy(self, form: str) -> tuple[int, int] | None:
        normal = self._normal.text
        if len(form) < FUZZY_MIN_CHARS or len(normal) < FUZZY_MIN_CHARS:
            return None
        cutoff = 100 * FUZZY_THRESHOLD
        # The alignment tries windows as long as `form`, but the similar piece may be shorter or
        # longer, and a window that ends inside a word is an artefact. So the alignment has a
        # lower threshold, its ends are moved to the ends of words, and the result is measured.
        best = fuzz.partial_ratio_alignment(form, normal, score_cutoff=cutoff - ALIGNMENT_SLACK)
        if best is None:
            return None
        a, b = best.dest_start, best.dest_end
        c, d = _trimmed(normal, a, b)
        windows = {(a, b), (c, d), *(_to_words(normal, s, e) for s in (a, c) for e in (b, d))}
        scored = [(fuzz.ratio(form, normal[s:e]), s, e) for s, e in windows if s < e]
        similar = [window for window in scored if window[0] >= cutoff]
        whole = [w for w in similar if w[1:] == _to_words(normal, *w[1:])]
        if not similar:
            return None
        _, start, end = max(whole or similar)
        return self._normal.span(start, end)


@lru_cache(maxsize=16_384)  # labels and the spans of demonstrations recur
def normalise(piece: str) -> str:
    """The normalised form of step 2."""
    return _Normal(piece).text


class _Normal:
    """A text in normalised form, with the offsets of each character in the source."""

    def __init__(self, source: str) -> None:
        self.source = source
        if source.isascii():
            chars, starts, ends = _ascii_clusters(source)
        else:
            chars, starts, ends = _clusters(source)
        keep = _kept(chars)
        self.text = "".join([chars[i] for i in keep])
        self.starts = [starts[i] for i in keep]
        self.ends = [ends[i] for i in keep]

    def span(self, a: int, b: int) -> tuple[int, int]:
        """A range of the normalised text as a range of the source."""
        return self.starts[a], self.ends[b - 1]

    def find(self, form: str) -> Iterator[tuple[int, int]]:
        """The occurrences of `form`, as ranges of the source.

        A source character matches with all or none of the characters it decomposes into: `e` does
        not occur in `é`, nor half a Hangul syllable in a longer one.
        """
        starts = self.starts
        for a, b in _find_all(self.text, form):
            cut_before = a > 0 and starts[a - 1] == starts[a]
            cut_after = b < len(starts) and starts[b - 1] == starts[b]
            if not cut_before and not cut_after:
                yield self.span(a, b)


def _ascii_clusters(source: str) -> tuple[list[str], list[int], list[int]]:
    """ASCII needs no Unicode tables; most long documents are ASCII."""
    chars = list(source.lower().translate(_SAME))
    chars = [" " if c.isspace() else c for c in chars]
    return chars, list(range(len(chars))), list(range(1, len(chars) + 1))


def _clusters(source: str) -> tuple[list[str], list[int], list[int]]:
    """Decompose cluster by cluster: a base character with its marks.

    The only context in NFKD is the order of combining marks, so that decomposing cluster by cluster
    equals decomposing the whole text, and each character has the offsets of its cluster.
    """
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    while at < len(source):
        end = at + 1
        while end < min(len(source), at + MAX_MARKS) and unicodedata.combining(source[end]):
            end += 1
        form = unicodedata.normalize("NFKD", source[at:end])
        form = unicodedata.normalize("NFKD", form.casefold()).translate(_SAME)
        for char in form:
            if unicodedata.category(char) == "Cf":
                continue
            chars.append(" " if char.isspace() else char)
            starts.append(at)
            ends.append(end)
        at = end
    return chars, starts, ends


def _kept(chars: Sequence[str]) -> list[int]:
    """Indices that remain when white space is collapsed, and removed beside punctuation."""
    keep: list[int] = []
    pending = -1  # a space that remains only if a word character follows
    for i, char in enumerate(chars):
        if char == " ":
            if pending < 0 and keep and is_word_char(chars[keep[-1]]):
                pending = i
            continue
        if pending >= 0 and is_word_char(char):
            keep.append(pending)
        pending = -1
        keep.append(i)
    return keep


def _find_all(text: str, piece: str) -> Iterator[tuple[int, int]]:
    at = text.find(piece) if piece else -1
    while at >= 0:
        yield at, at + len(piece)
        at = text.find(piece, at + len(piece))


def _to_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Move both ends outwards to the ends of the words that they cut."""
    while 0 < start < len(text) and same_word(text[start - 1], text[start]):
        start -= 1
    while 0 < end < len(text) and same_word(text[end - 1], text[end]):
        end += 1
    return start, end


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Move both ends inwards, past punctuation and past the words that they cut."""
    while 0 < start < end and same_word(text[start - 1], text[start]):
        start += 1
    while start < end < len(text) and same_word(text[end - 1], text[end]):
        end -= 1
    while start < end and not is_word_char(text[start]):
        start += 1
    while start < end and not is_word_char(text[end - 1]):
        end -= 1
    return start, end


def nearest(occurrences: Sequence[Span], anchor: Span) -> Span:
    """The occurrence with the fewest characters between it and `anchor`; the earlier on a tie."""
    return min(occurrences, key=lambda span: (_gap(span, anchor), span.start))


def nearest_pair(heads: Sequence[Span], tails: Sequence[Span]) -> tuple[Span, Span]:
    """The pair with the fewest characters between its spans; spans that overlap as a last resort.

    Both lists are in text order, so the best tail of a head is one of its neighbours: those that
    begin just before and after it begins, or the first that begins after it ends.
    """
    starts = [tail.start for tail in tails]
    pairs: list[tuple[bool, int, int, Span, Span]] = []
    for head in heads:
        after = bisect_right(starts, head.start)
        beyond = bisect_left(starts, head.end)
        for tail in (*tails[max(0, after - 2) : after + 2], *tails[beyond : beyond + 1]):
            overlap = head.start < tail.end and tail.start < head.end
            pairs.append((overlap, _gap(head, tail), min(head.start, tail.start), head, tail))
    best = min(pairs, key=lambda pair: pair[:3])
    return best[3], best[4]


def _gap(a: Span, b: Span) -> int:
    return max(0, a.start - b.end, b.start - a.end)
