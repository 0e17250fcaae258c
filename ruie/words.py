"""The words of a text for full-text search, the same in every database.

A word is a run of letters, digits and their marks. It is compared without case (Unicode case
folding), without compatibility forms (NFKD: `ﬁ` is `fi`, `２` is `2`) and without the diacritics of
Latin, Greek, Cyrillic, Hebrew and Arabic. Nothing is stemmed and no word is left out. In scripts
that are written without spaces (ruie/scripts.py) each character is a word, so that a word of theirs
is found as a phrase of its characters, wherever it stands.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import regex

from ruie.scripts import UNSPACED

LONGEST = 200
"""Characters of a word that are indexed: PostgreSQL allows at most 2,046 bytes."""

_WORD = regex.compile(
    rf"[[\p{{L}}\p{{N}}]&&[{UNSPACED}]]\p{{M}}*"
    rf"|[[\p{{L}}\p{{N}}]--[{UNSPACED}]][[\p{{L}}\p{{N}}\p{{M}}]--[{UNSPACED}]]*",
    regex.VERSION1,
)
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_DIACRITICS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
                         "\u064b-\u065f\u0670]")  # fmt: skip  # by script
_OTHER = regex.compile(r"[^\p{L}\p{N}\p{M}]+")


def words(text: str) -> list[str]:
    """The words in text order, folded."""
    if text.isascii():
        return [word[:LONGEST] for word in _ASCII_WORD.findall(text.lower())]
    return [word for word in map(_folded, _WORD.findall(text)) if word]


def located_words(text: str) -> Iterator[tuple[str, int, int]]:
    """The same words, each with its start and end in the text, in characters."""
    if text.isascii():
        for match in _ASCII_WORD.finditer(text.lower()):
            yield match[0][:LONGEST], *match.span()
        return
    for match in _WORD.finditer(text):
        if word := _folded(match[0]):
            yield word, *match.span()


@lru_cache(maxsize=65536)
def _folded(word: str) -> str:
    if word.isascii():
        return word.lower()[:LONGEST]
    # Twice: a compatibility form may decompose into capitals, and case folding may compose again.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", word).casefold())
    plain = _OTHER.sub("", _DIACRITICS.sub("", folded))
    return unicodedata.normalize("NFC", plain)[:LONGEST]
