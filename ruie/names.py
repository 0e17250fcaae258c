"""Which spellings are the same name: the key by which mentions are grouped.

The steps, in this order:

1. Unicode NFKC and case folding: `ＯＰＥＣ` and `Opec` are `opec`, `Straße` is `strasse`.
2. A possessive `'s` or `s'` loses its ending, `&` becomes `and`.
3. Full stops and apostrophes are removed (`U.S.` is `us`), other punctuation becomes a space; but a
   full stop or comma between two digits stays (`3.5`), and so do `#`, `%`, `@` and all symbols
   (`C++`, `C#`, `$5`).
4. Runs of spaces become one space.
5. The last word loses an English plural ending: `ies` becomes `y`, `es` is removed after ss, sh,
   ch, x and z, `s` is removed unless the word ends in ss, us or is. Only words of at least four
   letters a-z; never `news`.
6. Only the first `LONGEST` characters are kept.

The key uses no knowledge about the world: that two different names mean the same is for a person
to state (`ruie canonical set`).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

LONGEST = 200
"""Characters of a key: databases limit the size of index entries."""

_POSSESSIVE = re.compile(r"(?<=\w)['’]s(?!\w)|(?<=s)['’](?!\w)")
_KEPT = frozenset("#%@")
_DELETED = frozenset(".'’‘ʼ")
_PLURAL = re.compile(r"(?<![^ ])[a-z]{4,}$")


@lru_cache(maxsize=65536)
def name_key(text: str) -> str:
    """The key of a name; equal for spellings that differ in case, spacing, punctuation or plural.

    The key of a key is the key itself, unless the name was longer than `LONGEST`. Empty only if the
    text is.
    """
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    folded = folded.casefold()
    if not folded.isascii():
        folded = unicodedata.normalize("NFKC", folded)
    spaced = _singular(" ".join(_unpunctuated(folded).split()))
    return (spaced or " ".join(folded.split()))[:LONGEST].rstrip()


def _unpunctuated(folded: str) -> str:
    if folded.replace(" ", "").isalnum():
        return folded
    folded = _POSSESSIVE.sub("", folded).replace("&", " and ")
    return "".join(
        char if not _is_sign(char) or _between_digits(folded, i)
        else "" if char in _DELETED
        else " "
        for i, char in enumerate(folded)
    )  # fmt: skip  # a line for each of the three


def _is_sign(char: str) -> bool:
    """Whether a character does not distinguish names: punctuation, spaces, controls, invisible
    ones."""
    return char not in _KEPT and unicodedata.category(char)[0] in "PCZ"


def _between_digits(text: str, i: int) -> bool:
    return text[i] in ".," and text[i - 1 : i].isdigit() and text[i + 1 : i + 2].isdigit()


def _singular(key: str) -> str:
    """The key with the last word's English plural ending removed."""
    last = _PLURAL.search(key)
    if last is None:
        return key
    word = last[0]
    if word.endswith("ies") and len(word) > 4:
        return key[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return key[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and word != "news":
        return key[:-1]
    return key
