"""Finding what the model wrote in the document: from a string to character offsets.

Three steps, the first that finds something wins:

1. exact: the string as it stands.
2. normalised: both sides in Unicode's compatibility form (NFKD), case folded, typographic quotes
   and dashes as their ASCII forms, invisible characters dropped, white space collapsed and
   removed beside punctuation (corpora are often tokenised: `OPEC 's` for `OPEC's`).
3. fuzzy: the best window of the normalised text whose similarity (rapidfuzz's `ratio`, the
   normalised Indel similarity) is at least `FUZZY_THRESHOLD`, for strings of at least
   `FUZZY_MIN_CHARS` characters; the window's ends are moved to the ends of words.

Which of several occurrences is meant: an occurrence that stands as whole words beats one inside a
longer word. Among those, an entity or a trigger that is named for the n-th time is the n-th in
the text; a relation takes the pair of head and tail with the fewest characters between them (the
earlier on a tie); an argument takes the occurrence nearest to its trigger.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property

from rapidfuzz import fuzz

from ruie.records import Grounding, Span

FUZZY_THRESHOLD = 0.85
FUZZY_MIN_CHARS = 5
MAX_OCCURRENCES = 200
"""Occurrences considered for one string: a bound for pairs in a pathological document."""

_SAME = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032`\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    }
)


class Grounder:
    """Finds strings in one text. `contains` and `occurrences` never raise, whatever the string."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _normal(self) -> _Normal:
        return _Normal(self.text)

    def contains(self, piece: str) -> bool:
        """Whether the piece is in the text, exactly or in normalised form."""
        if not piece.strip():
            return False
        return piece in self.text or (bool(form := normalise(piece)) and form in self._normal.text)

    def occurrences(self, piece: str) -> list[Span]:
        """Every place where the piece stands, in text order, all found by the same step.

        Occurrences do not overlap each other. The list is empty if no step finds the piece.
        """
        piece = piece.strip()
        if not piece:
            return []
        if found := self._whole_words(_find_all(self.text, piece)):
            return [Span(self.text[a:b], a, b, Grounding.EXACT) for a, b in found]
        form = normalise(piece)
        if not form:
            return []
        if found := self._whole_words(self._normal.spans(_find_all(self._normal.text, form))):
            return [Span(self.text[a:b], a, b, Grounding.NORMALISED) for a, b in found]
        if window := self._fuzzy(form):
            a, b = window
            return [Span(self.text[a:b], a, b, Grounding.FUZZY)]
        return []

    def _whole_words(self, found: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
        """Those occurrences that no word runs into; if there are none of these, all."""
        bounded = list(found)
        whole = [(a, b) for a, b in bounded if not self._inside(a) and not self._inside(b)]
        return (whole or bounded)[:MAX_OCCURRENCES]

    def _inside(self, at: int) -> bool:
        """Whether a word runs across position `at`."""
        text = self.text
        return 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()

    def _fuzzy(self, form: str) -> tuple[int, int] | None:
        normal = self._normal.text
        if len(form) < FUZZY_MIN_CHARS or len(normal) < FUZZY_MIN_CHARS:
            return None
        cutoff = 100 * FUZZY_THRESHOLD
        best = fuzz.partial_ratio_alignment(form, normal, score_cutoff=cutoff)
        if best is None:
            return None
        start, end = best.dest_start, best.dest_end
        windows = {(start, end), _to_words(normal, start, end)}
        # A window that ends inside a word is an artefact of the alignment: prefer whole words
        # where they are as similar as is asked for.
        scored = [(fuzz.ratio(form, normal[a:b]), a, b) for a, b in windows if a < b]
        whole = [s for s in scored if (s[1], s[2]) == _to_words(normal, s[1], s[2])]
        score, a, b = max(whole or scored)
        if score < cutoff:
            score, a, b = max(scored)
        if score < cutoff:
            return None
        return next(self._normal.spans(iter([(a, b)])), None)


def normalise(piece: str) -> str:
    """The normalised form of step 2."""
    return _Normal(piece).text


class _Normal:
    """A text in normalised form, with the source's offsets of each of its characters."""

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

    def spans(self, found: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Ranges of the normalised text as ranges of the source."""
        for a, b in found:
            yield self.starts[a], self.ends[b - 1]


def _ascii_clusters(source: str) -> tuple[list[str], list[int], list[int]]:
    """The plain case, without Unicode's tables: most documents are long and ASCII."""
    chars = list(source.lower().translate(_SAME))
    chars = [" " if c.isspace() else c for c in chars]
    return chars, list(range(len(chars))), list(range(1, len(chars) + 1))


def _clusters(source: str) -> tuple[list[str], list[int], list[int]]:
    """Decompose character by character, a base with its marks together.

    NFKD has no context but the order of combining marks, so that a text decomposed a cluster at a
    time equals the text decomposed whole, and every character keeps the offsets of its cluster.
    """
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    while at < len(source):
        end = at + 1
        while end < len(source) and unicodedata.combining(source[end]):
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
    """Indices that stay when white space is collapsed and removed beside punctuation."""
    keep: list[int] = []
    pending = -1  # a space that stays only if a word character follows
    for i, char in enumerate(chars):
        if char == " ":
            if pending < 0 and keep and _word(chars[keep[-1]]):
                pending = i
            continue
        if pending >= 0 and _word(char):
            keep.append(pending)
        pending = -1
        keep.append(i)
    return keep


def _word(char: str) -> bool:
    return char.isalnum() or unicodedata.combining(char) != 0


def _find_all(text: str, piece: str) -> Iterator[tuple[int, int]]:
    at = text.find(piece)
    while at >= 0:
        yield at, at + len(piece)
        at = text.find(piece, at + len(piece))


def _to_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Move both ends outwards to the ends of the words that they cut."""
    while 0 < start < len(text) and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while 0 < end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    return start, end


def nearest(occurrences: Sequence[Span], anchor: Span) -> Span:
    """The occurrence with the fewest characters between it and `anchor`; the earlier on a tie."""
    return min(occurrences, key=lambda span: (_gap(span, anchor), span.start))


def nearest_pair(heads: Sequence[Span], tails: Sequence[Span]) -> tuple[Span, Span]:
    """The pair with the fewest characters between; spans that overlap only if nothing else is.

    Both lists are in text order, so for each head only its neighbours can be the best tail.
    """
    starts = [tail.start for tail in tails]
    pairs: list[tuple[bool, int, int, Span, Span]] = []
    for head in heads:
        after = bisect_right(starts, head.start)
        for tail in tails[max(0, after - 2) : after + 2]:
            overlap = head.start < tail.end and tail.start < head.end
            pairs.append((overlap, _gap(head, tail), min(head.start, tail.start), head, tail))
    best = min(pairs, key=lambda pair: pair[:3])
    return best[3], best[4]


def _gap(a: Span, b: Span) -> int:
    return max(0, a.start - b.end, b.start - a.end)
