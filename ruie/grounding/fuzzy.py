"""The third step: a piece whose words are in the text, but spelt or inflected differently.

Only windows of whole words are considered, in which each word, number and symbol of the piece has
its own (the rule is in ruie/grounding/spelling.py), in the same order. What may be missing on
either side is in `SKIPPED`, and a title on one side. Of these windows the most similar one is taken
(rapidfuzz's `ratio`, the normalised Indel similarity), if it is similar enough.

The work is bounded: a piece is looked up word by word in an index of the text's words, and
nothing more is done if a word has no counterpart. Otherwise the windows around at most
`MAX_WINDOWS` places of its rarest word are compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from rapidfuzz import fuzz

from ruie.grounding.normal import Normal
from ruie.grounding.spelling import (
    DOUBLED,
    LONG,
    base_forms,
    is_slip,
    plain,
    same_name,
    same_word,
)
from ruie.grounding.tokens import MAX_WORD, Token, Word, tokens
from ruie.scripts import same_word as in_one_word

FUZZY_THRESHOLD = 0.85
FUZZY_MIN_CHARS = 5
MAX_WINDOWS = 64
"""Windows that are compared with one piece."""
MAX_CANDIDATES = 100
"""Words of the text that are compared with one word, for each way to look them up."""
MAX_SKIPPED = 4
"""Tokens that may be missing on either side of a word."""

SAME, BEGINNING, END = range(3)
"""What words are looked up by: what they are forms of, their first letters, their last ones."""
SKIPPED = frozenset(("the", "an", "of", "'s"))
TITLES = frozenset(("mr", "mrs", "ms", "miss", "dr", "prof", "professor", "sir"))


class FuzzyFinder:
    """Finds pieces in one text by their words."""

    def __init__(self, normal: Normal) -> None:
        self.normal = normal
        self.tokens = tokens(normal)
        # where each form is, as ranges of tokens; words joined by a hyphen also as one
        self.places: dict[Word, list[tuple[int, int]]] = defaultdict(list)
        for at, token in enumerate(self.tokens):
            self.places[token.word].append((at, at + 1))
            if token.joined:
                self.places[_glued(self.tokens[at - 1], token)].append((at - 1, at + 1))
        self.index: dict[tuple[object, ...], list[Word]] = defaultdict(list)
        for word in self.places:
            for key in _keys(word[0]):
                self.index[key].append(word)
        self.known: dict[tuple[Word, bool], frozenset[Word]] = {}

    def find(self, form: str, piece: Normal) -> tuple[int, int] | None:
        """The range of the normalised text that is most similar to the piece."""
        if len(form) < FUZZY_MIN_CHARS:
            return None
        cutoff = 100 * FUZZY_THRESHOLD
        best: tuple[float, int, int] | None = None
        for reading in _readings(tokens(piece)):
            for start, end in self._windows(reading):
                score = fuzz.ratio(form, self.normal.text[start:end], score_cutoff=cutoff)
                if score and (best is None or (-score, start, end) < best):
                    best = (-score, start, end)
        return best and best[1:]

    def _windows(self, found: Sequence[Word]) -> Iterator[tuple[int, int]]:
        """The windows in which each of the words has its counterpart."""
        words = [form for form, _ in found]
        carrying = sum(form not in SKIPPED and form not in TITLES for form in words)
        alike = [self._alike(word, carrying - 1) for word in found]
        counts = [
            (sum(len(self.places[form]) for form in forms), at)
            for at, forms in enumerate(alike)
            if words[at] not in SKIPPED and words[at] not in TITLES
        ]
        if not all(count for count, _ in counts):
            return
        if not counts:
            return
        _, rarest = min(counts)
        anchors = sorted(p for form in alike[rarest] for p in self.places[form][:MAX_WINDOWS])
        for first, last in anchors[:MAX_WINDOWS]:
            left = self._extend(words[:rarest][::-1], alike[:rarest][::-1], first, -1)
            right = self._extend(words[rarest + 1 :], alike[rarest + 1 :], last, 1)
            if left is None or right is None or (left[1] and right[1] and left[1] != right[1]):
                continue
            start, end = self.tokens[left[0]].start, self.tokens[right[0] - 1].end
            if not self._cuts_a_word(start) and not self._cuts_a_word(end):
                yield start, end

    def _extend(
        self, words: Sequence[str], alike: Sequence[frozenset[Word]], at: int, step: int
    ) -> tuple[int, str] | None:
        """Where the counterparts of the words end, from a position between tokens.

        Also the side on which titles are missing, `piece` or `text`, or an empty string.
        """
        skipped, side = 0, ""
        i = 0
        while i < len(words):
            if taken := self._counterpart(alike[i], at, step):
                at, i, skipped = at + taken * step, i + 1, 0
                continue
            token = self._token(at, step)
            in_text = token is not None and (token.form in SKIPPED or token.form in TITLES)
            in_piece = words[i] in SKIPPED or words[i] in TITLES
            if not (in_text or in_piece) or skipped == MAX_SKIPPED:
                return None
            form = words[i] if in_piece else token.form if token else ""
            missing = "text" if in_piece else "piece"
            if form in TITLES:
                if in_piece and token and token.form in TITLES:  # `Mr` is not `Mrs`
                    return None
                if side not in ("", missing):
                    return None
                side = missing
            at, i, skipped = (at, i + 1, skipped + 1) if in_piece else (at + step, i, skipped + 1)
        return at, side

    def _counterpart(self, alike: frozenset[Word], at: int, step: int) -> int:
        """How many tokens from here on are one of the forms: 0, 1, or 2 with a hyphen between."""
        token = self._token(at, step)
        if token is None:
            return 0
        if token.word in alike:
            return 1
        beyond = self._token(at + step, step)
        if beyond is None:
            return 0
        a, b = (token, beyond) if step > 0 else (beyond, token)
        return 2 if b.joined and _glued(a, b) in alike else 0

    def _token(self, at: int, step: int) -> Token | None:
        index = at if step > 0 else at - 1
        return self.tokens[index] if 0 <= index < len(self.tokens) else None

    def _cuts_a_word(self, at: int) -> bool:
        text = self.normal.text
        if not 0 < at < len(text):
            return False
        return self.normal.cuts(at) or in_one_word(text[at - 1], text[at])

    def _alike(self, word: Word, others: int) -> frozenset[Word]:
        """The words of the text that are the same word. others: the words beside it.

        A short word's accents may be missing only if there are others, which confirm it; two of
        them confirm the plural of a name.
        """
        plural = others >= 2
        if (word, plural) not in self.known:
            self.known[word, plural] = frozenset(self._same(word, plural=plural))
        found = self.known[word, plural]
        short = len(word[0]) <= MAX_WORD and len(plain(word[0])) < LONG
        return frozenset(w for w in found if w[0] == word[0]) if not others and short else found

    def _same(self, word: Word, *, plural: bool) -> Iterator[Word]:
        form, capital = word
        as_written = [w for w in ((form, True), (form, False)) if w in self.places]
        yield from as_written
        # a word that is in the text itself is no slip of the pen
        for key in _keys(form, slips=None if as_written else 1):
            for other in self.index.get(key, ())[:MAX_CANDIDATES]:
                slip = key[0] != SAME
                if slip and not is_slip(plain(form), plain(other[0])):
                    continue
                names = capital and other[1]
                if same_word(form, other[0]) and (
                    not names or same_name(form, other[0], plural=plural)
                ):
                    yield other


def _glued(a: Token, b: Token) -> Word:
    """Two words with a hyphen between them as one."""
    return a.form + b.form, a.capital


def _keys(word: str, slips: int | None = 0) -> Iterator[tuple[object, ...]]:
    """Under what a word is looked up: two that are the same have one of these in common.

    A slip of the pen leaves the first letters or the last ones as they are, and changes the length
    by at most `slips` letters; with None, slips are not looked for.
    """
    if len(word) > MAX_WORD or (word.isascii() and not word.isalpha()):
        return
    bare = plain(word)
    if len(bare) < LONG:
        yield (SAME, bare)
        return
    for base in base_forms(word):
        yield (SAME, base)
    if slips is not None and len(bare) >= DOUBLED:
        for size in range(len(bare) - slips, len(bare) + slips + 1):
            yield (BEGINNING, bare[:5], size)
            yield (END, bare[0], bare[-3:], size)


def _readings(found: Sequence[Token]) -> Iterator[list[Word]]:
    """The words of a piece, and the same with words joined by a hyphen as one."""
    yield [token.word for token in found]
    if any(token.joined for token in found):
        glued: list[Word] = []
        for token in found:
            if token.joined:
                glued[-1] = (glued[-1][0] + token.form, glued[-1][1])
            else:
                glued.append(token.word)
        yield glued
