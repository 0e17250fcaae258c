"""The query language of full-text search: words, "phrases", OR, -not, prefix*.

Any text is a query: an unclosed quotation mark closes at the end, punctuation separates words, an
OR with nothing beside it is ignored. Nothing of it reaches a database as syntax.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ruie.errors import UsageError
from ruie.words import words

LONGEST_PHRASE = 32
"""Words of a phrase that are searched; the parts of a long document overlap by one word less."""

MOST_TERMS = 32

_QUOTES = str.maketrans("“”„‟＂", '"""""')
_PIECE = re.compile(r'(?P<minus>-?)"(?P<phrase>[^"]*)"?(?P<star>\*?)|(?P<word>[^\s"]+)')


@dataclass(frozen=True, slots=True)
class Term:
    """One word, or several in sequence; with `prefix`, the last is the beginning of a word."""

    words: tuple[str, ...]
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Alternative:
    """Terms that a document must all have, and terms that it must not have."""

    required: tuple[Term, ...]
    excluded: tuple[Term, ...] = ()


def parse_query(text: str) -> tuple[Alternative, ...]:
    """The alternatives between the ORs. Raises `UsageError` if one has only excluded words."""
    alternatives: dict[Alternative, None] = {}
    required: dict[Term, None] = {}
    excluded: dict[Term, None] = {}

    def close() -> None:
        if required:
            alternatives[Alternative(tuple(required), tuple(excluded))] = None
        elif excluded:
            raise UsageError(
                "A search needs a word to find, not only words to exclude.",
                "Add one before the -word, on the same side of each OR.",
            )
        required.clear()
        excluded.clear()

    for piece in _PIECE.finditer(text.translate(_QUOTES)):
        if piece["word"] == "OR":
            close()
        elif piece["word"] != "AND" and (term := _term(piece)):
            minus = piece["minus"] or (piece["word"] or "").startswith("-")
            (excluded if minus else required)[term] = None
    close()
    if not alternatives:
        raise UsageError("The search has no word in it.", "Write letters or digits.")
    if len({term for a in alternatives for term in a.required + a.excluded}) > MOST_TERMS:
        raise UsageError(
            f"A search has at most {MOST_TERMS} words and phrases.", "Leave the most frequent out."
        )
    if len(alternatives) > MOST_TERMS:
        raise UsageError(
            f"A search has at most {MOST_TERMS} alternatives between ORs.", "Leave some out."
        )
    return tuple(alternatives)


def required_terms(alternatives: tuple[Alternative, ...]) -> tuple[Term, ...]:
    """Every term of a document that is searched for, once."""
    return tuple(dict.fromkeys(term for a in alternatives for term in a.required))


def _term(piece: re.Match[str]) -> Term | None:
    if piece["word"] is None:
        text, prefix = piece["phrase"], bool(piece["star"])
    else:
        text, prefix = piece["word"], piece["word"].endswith("*")
    phrase = words(text)
    cut = len(phrase) > LONGEST_PHRASE
    return Term(tuple(phrase[:LONGEST_PHRASE]), prefix and not cut) if phrase else None
