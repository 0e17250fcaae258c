"""Where words end, in scripts with spaces between words and in scripts without.

The scripts without are those in which Unicode's line breaking (UAX 14) allows a break between
letters, or asks for a dictionary to find one. Tibetan is not among them: it marks the end of each
syllable with a sign, as Latin does with a space. Nor is Hangul, which has spaces.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import regex

_SCRIPTS = (
    *("Han", "Bopomofo", "Hiragana", "Katakana", "Yi", "Tangut", "Nushu"),
    *("Thai", "Lao", "Khmer", "Myanmar", "Tai_Le", "New_Tai_Lue", "Tai_Tham", "Tai_Viet", "Ahom"),
    *("Javanese", "Balinese", "Batak", "Cham", "Kawi", "Makasar"),
)
# Unicode has these under no single script: they serve several, all in Chinese and Japanese.
_COMMON = r"\u3006\u3031-\u3035\u303c\u30fc\uff70\uff9e\uff9f"

UNSPACED = "".join(rf"\p{{Script={script}}}" for script in _SCRIPTS) + _COMMON
"""The characters of scripts without spaces, as the inside of a set of the library `regex`."""

# Scripts in which particles, prepositions or the article are written together with a noun.
_GLUED = regex.compile(r"[\p{Script=Hangul}\p{Script=Arabic}\p{Script=Hebrew}--\p{Nd}]", regex.V1)

_UNSPACED = regex.compile(f"[{UNSPACED}]")


@lru_cache(maxsize=4096)
def is_unspaced(char: str) -> bool:
    """Whether a character belongs to a script that is written without spaces between words."""
    return _UNSPACED.match(char) is not None


def is_word_char(char: str) -> bool:
    """Whether words are made of such characters: letters, digits and marks."""
    # marks too: the vowel signs of Hindi and Thai are no letters to Python
    return char.isalnum() or unicodedata.category(char)[0] == "M"


def same_word(before: str, after: str) -> bool:
    """Whether two neighbouring characters certainly belong to one word.

    In a script without spaces a word may end after each letter, but not before a mark, nor within
    a number.
    """
    if not (is_word_char(before) and is_word_char(after)):
        return False
    if unicodedata.category(after)[0] == "M" or (before.isdecimal() and after.isdecimal()):
        return True
    return not (is_unspaced(before) or is_unspaced(after))


@lru_cache(maxsize=16_384)
def may_be_glued(before: str, after: str) -> bool:
    """Whether a word may be written together with its particles between two characters of a word:
    letters of scripts that do so, or a foreign word or number and such a letter (`OPEC은`, `5월`),
    but not a letter and its mark."""
    if unicodedata.category(after)[0] == "M":
        return False
    return _GLUED.match(before) is not None or _GLUED.match(after) is not None
