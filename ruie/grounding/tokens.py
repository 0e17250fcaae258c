"""The words, numbers and symbols of a normalised text, for comparing pieces word by word."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import regex

from ruie.grounding.normal import Normal
from ruie.scripts import UNSPACED, is_word_char

MAX_WORD = 100
"""Characters of the longest word whose spelling is looked at; longer ones are equal or not."""

# Other punctuation says nothing about which words are meant.
_TOKEN = regex.compile(
    rf"(?P<number>\d+(?:[.,:/'\u2044]\d+)*)"
    rf"|(?P<possessive>'s(?![\p{{L}}\p{{N}}\p{{M}}]))"
    rf"|(?P<word>[{UNSPACED}]\p{{M}}*|[[\p{{L}}\p{{N}}\p{{M}}]--[{UNSPACED}]--\p{{Nd}}]+)"
    rf"|(?P<symbol>[\p{{S}}%‰#&@*§\\])",
    regex.V1,
)
Word = tuple[str, bool]
"""A form, and whether it begins with a capital."""

_THOUSANDS = regex.compile(r"\d{1,3}(?:[,']\d{3})+(?=$|\.)")


@dataclass(frozen=True, slots=True)
class Token:
    """A word, number or symbol: its form, and its range in the normalised text."""

    form: str
    start: int
    end: int
    is_word: bool
    joined: bool = False
    """A hyphen or an apostrophe, and nothing else, is between it and the word before it."""
    capital: bool = False
    """It begins with a capital, as names do."""

    @property
    def word(self) -> Word:
        return self.form, self.capital


def tokens(normal: Normal) -> list[Token]:
    """The tokens of a text, in order."""
    found: list[Token] = []
    for match in _TOKEN.finditer(normal.text):
        start, end = match.span()
        if match.lastgroup == "number":
            found.extend(_numbers(normal, start, end))
            continue
        form = match.group()
        if form == "&":
            form = "and"
        elif len(form) <= MAX_WORD and not form.isascii():
            form = unicodedata.normalize("NFC", form)
        is_word = match.lastgroup == "word"
        between = normal.text[found[-1].end : start] if found else ""
        joined = is_word and between in ("-", "'") and found[-1].is_word
        capital = is_word and normal.source[normal.starts[start]].isupper()
        found.append(Token(form, start, end, is_word, joined, capital))
    return found


def _numbers(normal: Normal, start: int, end: int) -> Iterator[Token]:
    """The numbers that a run of digits and marks consists of, each with its sign."""
    cuts = [at for at in range(start + 1, end) if _parts(normal, at)]
    for a, b in zip([start, *cuts], [*cuts, end], strict=True):
        while a < b and not normal.text[b - 1].isdecimal():
            b -= 1
        while a < b and not normal.text[a].isdecimal():
            a += 1
        if a < b:
            digits = "".join(_digit(char) for char in normal.text[a:b])
            whole = _THOUSANDS.match(digits)
            if whole:
                digits = regex.sub("[,']", "", whole.group()) + digits[whole.end() :]
            if _is_free(normal, a - 1, "."):  # `.5`
                digits, a = "0." + digits, a - 1
            if _is_free(normal, a - 1, "-"):
                digits, a = "-" + digits, a - 1
            yield Token(digits, a, b, False)


def _digit(char: str) -> str:
    return str(unicodedata.decimal(char, char))


def _parts(normal: Normal, at: int) -> bool:
    """Whether one number ends and another begins here: `2019, 2020`, or 10 to the power of 2.

    Both lose it in the normalised form: the space beside the comma, and the power's being raised.
    """
    if normal.starts[at] > normal.ends[at - 1]:
        return True
    if normal.cuts(at):
        return False
    before, after = (_is_raised(normal.source[normal.starts[i]]) for i in (at - 1, at))
    return before != after


def _is_raised(char: str) -> bool:
    """Whether a character is a digit above or below the line, or a fraction."""
    return unicodedata.decomposition(char).startswith(("<super>", "<sub>", "<fraction>"))


def _is_free(normal: Normal, at: int, sign: str) -> bool:
    """Whether a minus or a decimal point is here, not the mark between two words or numbers.

    The latter is the hyphen of `COVID-19` or `1939-1945`, the point of `No.5`.
    """
    if at < 0 or normal.text[at] != sign or normal.starts[at + 1] > normal.ends[at]:
        return False
    if at == 0 or normal.starts[at] > normal.ends[at - 1]:
        return True
    before = normal.text[at - 1]
    return not (is_word_char(before) or before in ")]}'\"%.")
