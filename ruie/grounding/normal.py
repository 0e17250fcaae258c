"""The normalised form of a text, in which two spellings of the same characters are one.

Unicode's compatibility form (NFKD), case folded; typographic quotes and dashes as their ASCII
forms; invisible characters dropped; HTML's character references (`&amp;`, `&#39;`, `&nbsp;`, also
escaped twice or more often) as what they stand for; LaTeX's `\\&`, `\\%`, `\\_` without the
backslash; white space collapsed, and removed beside punctuation. A digit above or below the line,
or a fraction, that follows a digit is kept apart from it: `10²` is `10^2`, not `102`.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from html.entities import html5

from ruie.scripts import is_word_char

MAX_MARKS = 30
"""Marks on one letter that are sorted together, as in Unicode's Stream-Safe Text Format (UAX 15):
sorting is quadratic, and a text may hold nothing but marks."""
MAX_OVERLAPS = 200
"""Occurrences of one piece that overlap: bounds the time for a text that repeats itself."""
MAX_REFERENCE = 34
"""Characters of the longest character reference of HTML."""
ESCAPED = frozenset("&%$#_{}")
"""What LaTeX wants a backslash before."""

_RAISED = {"<super>": "\u2061", "<sub>": "\u2062", "<fraction>": "\u2063", "<circle>": "\u2063"}
"""What begins the form of a digit of such a kind; nothing else of a normalised form is like it."""
_APART = {"\u2061": "^", "\u2062": "_", "\u2063": " "}
"""What stands for it after a digit; elsewhere (`H₂O`, `m²`) nothing does."""

_NUMBER = re.compile("#([0-9]{1,7}|x[0-9a-f]{1,6})")
_SAME = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032`\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    }
)


@lru_cache(maxsize=16_384)  # labels and the spans of demonstrations recur
def normalise(piece: str) -> str:
    """The normalised form of a piece."""
    return Normal(piece).text


class Normal:
    """A text in normalised form, with the offsets of each character in the source."""

    def __init__(self, source: str) -> None:
        self.source = source
        kept = _Kept()
        if source.isascii():  # needs no Unicode tables; most long documents are ASCII
            folded = source.lower().translate(_SAME)
            kept.extend((char, at, at + 1) for at, char in enumerate(folded))
        else:
            kept.extend(_clusters(source))
        kept.finish()
        self.text = "".join(kept.chars)
        self.starts = kept.starts
        self.ends = kept.ends

    def span(self, a: int, b: int) -> tuple[int, int]:
        """A range of the normalised text as a range of the source."""
        return self.starts[a], self.ends[b - 1]

    def cuts(self, at: int) -> bool:
        """Whether position `at` is within what one character of the source stands for.

        A source character matches with all or none of the characters it decomposes into: `e` does
        not occur in `é`, nor half a Hangul syllable in a longer one.
        """
        return 0 < at < len(self.starts) and self.starts[at - 1] == self.starts[at]

    def find(self, form: str) -> Iterator[tuple[int, int]]:
        """The occurrences of `form`, as ranges of the source."""
        for a, b in find_all(self.text, form):
            if not self.cuts(a) and not self.cuts(b):
                yield self.span(a, b)


def find_all(text: str, piece: str) -> Iterator[tuple[int, int]]:
    """The occurrences of `piece`, in order.

    Also those that overlap an earlier one, which may be inside a word where they are not: the first
    `MAX_OVERLAPS` of them.
    """
    at = text.find(piece) if piece else -1
    overlaps = 0
    while at >= 0:
        yield at, at + len(piece)
        following = text.find(piece, at + (1 if overlaps < MAX_OVERLAPS else len(piece)))
        overlaps += following < at + len(piece)
        at = following


class _Kept:
    """What remains of the characters that are read one by one, each with its place.

    What a reference stands for is read as if it stood there itself, so that a reference which only
    then comes about is found too, in one pass.
    """

    def __init__(self) -> None:
        self.chars: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.spaces: dict[int, tuple[int, int]] = {}
        """The space removed before the `&` at an index: it returns if a letter takes its place."""
        self.raised = 0
        """How many characters there are after the last digit that is raised."""

    def extend(self, read: Iterator[tuple[str, int, int]]) -> None:
        chars, starts, ends = self.chars, self.starts, self.ends
        for char, start, end in read:
            if char.isalnum():  # most characters
                chars.append(char)
                starts.append(start)
                ends.append(end)
            elif char.isspace():
                self._space(start, end)
            elif char in _APART:
                self._keep_apart(char, start, end)
            else:
                self._push(char, start, end)

    def _keep_apart(self, char: str, start: int, end: int) -> None:
        """Before a digit that is raised: what parts it from a digit that is not."""
        if self.chars and self.chars[-1].isdecimal() and len(self.chars) != self.raised:
            self._append(_APART[char], start, end)
        self.raised = len(self.chars) + 1

    def _append(self, char: str, start: int, end: int) -> None:
        self.chars.append(char)
        self.starts.append(start)
        self.ends.append(end)

    def _cut(self, at: int) -> None:
        del self.chars[at:], self.starts[at:], self.ends[at:]

    def _space(self, start: int, end: int) -> None:
        if self.chars and is_word_char(self.chars[-1]):
            self._append(" ", start, end)

    def _push(self, char: str, start: int, end: int) -> None:
        todo = [(char, start, end)]
        while todo:
            char, start, end = todo.pop()
            if char.isspace():
                self._space(start, end)
                continue
            if char in _APART:
                self._keep_apart(char, start, end)
                continue
            if not is_word_char(char):
                start = self._closed_up(char, start)
            self._append(char, start, end)
            if char == ";" and (found := self._reference()):
                at, form = found
                start = self.starts[at]
                self._cut(at)
                todo.extend((each, start, end) for each in reversed(form))
                if at in self.spaces and (not form or is_word_char(form[0])):
                    self._space(*self.spaces[at])

    def _closed_up(self, char: str, start: int) -> int:
        """Remove what does not stay before this character; where it begins itself."""
        while char in ESCAPED and self.chars and self.chars[-1] == "\\":
            start = self.starts[-1]
            self._cut(-1)
        space = None
        if self.chars and self.chars[-1] == " ":
            space = self.starts[-1], self.ends[-1]
            self._cut(-1)
        if char == "&":
            self.spaces.pop(len(self.chars), None)
            if space:
                self.spaces[len(self.chars)] = space
        return start

    def _reference(self) -> tuple[int, str] | None:
        """The index of the reference that ends here, and the form of what it stands for."""
        last = len(self.chars) - 1
        for at in range(last - 1, max(-1, last - MAX_REFERENCE), -1):
            char = self.chars[at]
            if char == "&":
                form = _meant("".join(self.chars[at + 1 : last]))
                return None if form is None else (at, form)
            if not (char == "#" or (char.isascii() and char.isalnum())):
                return None
        return None

    def finish(self) -> None:
        """Marks are sorted again: some may have come together when something was removed."""
        if self.chars and self.chars[-1] == " ":
            self._cut(-1)
        if "".join(self.chars).isascii():
            return
        at = 0
        while at < len(self.chars):
            end = _cluster_end(self.chars, at)
            first = at if unicodedata.combining(self.chars[at]) else at + 1
            classes = [unicodedata.combining(char) for char in self.chars[first:end]]
            if classes != sorted(classes):
                self.chars[first:end] = sorted(self.chars[first:end], key=unicodedata.combining)
                size = end - at
                self.starts[at:end] = [min(self.starts[at:end])] * size
                self.ends[at:end] = [max(self.ends[at:end])] * size
            at = end


def _cluster_end(chars: str | list[str], at: int) -> int:
    """Where the marks end on the character at `at`."""
    end = at + 1
    while end < min(len(chars), at + MAX_MARKS) and unicodedata.combining(chars[end]):
        end += 1
    return end


def _clusters(source: str) -> Iterator[tuple[str, int, int]]:
    """Decompose cluster by cluster: a base character with its marks.

    The only context in NFKD is the order of combining marks, so that decomposing cluster by cluster
    equals decomposing the whole text, and each character has the offsets of its cluster.
    """
    at = 0
    while at < len(source):
        end = _cluster_end(source, at)
        for char in _decomposed(source[at:end]):
            yield char, at, end
        at = end


def _decomposed(cluster: str) -> str:
    form = unicodedata.normalize("NFKD", cluster)
    form = unicodedata.normalize("NFKD", form.casefold()).translate(_SAME)
    form = "".join(char for char in form if unicodedata.category(char) != "Cf")
    if form[:1].isdecimal() and (kind := unicodedata.decomposition(cluster[0])):
        return _RAISED.get(kind.split()[0], "") + form
    return form


@lru_cache(maxsize=4096)
def _meant(name: str) -> str | None:
    """The normalised form of what `&name;` stands for; empty if that is invisible."""
    meant = html.unescape(f"&{name};") if _NUMBER.fullmatch(name) else _names().get(name)
    return _decomposed(meant) if meant else None


@cache
def _names() -> dict[str, str]:
    """HTML's names by their folded forms; of names that differ only in case, the small one's."""
    small = {name: meant for name, meant in html5.items() if name == name.lower()}
    every = {name.casefold(): meant for name, meant in html5.items()} | small
    return {name[:-1]: meant for name, meant in every.items() if name.endswith(";")}
