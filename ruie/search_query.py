"""What a person asks of full-text search: words, "phrases", OR, -not, prefix*.

Any text is a query: a quotation mark without its partner closes at the end, punctuation separates
words, an OR with nothing beside it is left out. Nothing of it reaches a database as syntax.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ruie.errors import UsageError
from ruie.words import words

LONGEST_PHRASE = 32
"""Words of a phrase that count; the parts of a long document overlap by one less."""

MOST_TERMS = 32

_QUOTES = str.maketrans("“”„‟＂", '"""""')
_PIECE = re.compile(r'(?P<minus>-?)"(?P<phrase>[^"]*)"?(?P<star>\*?)|(?P<word>[^\s"]+)')


@dataclass(frozen=True, slots=True)
class Term:
    """A word, or several that follow each other; with `prefix` the last is the beginning of one."""

    words: tuple[str, ...]
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Alternative:
    """What a document must have, all of it, and what it must not have."""

    required: tuple[Term, ...]
    excluded: tuple[Term, ...] = ()


def parse_query(text: str) -> tuple[Alternative, ...]:
    """The alternatives between the ORs. Raises UsageError where one names nothing to look for."""
    alternatives: list[Alternative] = []
    required: dict[Term, None] = {}
    excluded: dict[Term, None] = {}

    def close() -> None:
        if required:
            alternatives.append(Alternative(tuple(required), tuple(excluded)))
        elif excluded:
            raise UsageError(
                "A search needs a word that is to be there, not only words that are not.",
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
        raise UsageError("The search has no word in it.", "Give letters or digits to look for.")
    if len({term for a in alternatives for term in a.required + a.excluded}) > MOST_TERMS:
        raise UsageError(
            f"A search has at most {MOST_TERMS} words and phrases.", "Leave the commonest out."
        )
    return tuple(alternatives)


def sought(alternatives: tuple[Alternative, ...]) -> tuple[Term, ...]:
    """Every term that a document may be found by, once."""
    return tuple(dict.fromkeys(term for a in alternatives for term in a.required))


def _term(piece: re.Match[str]) -> Term | None:
    if piece["word"] is None:
        said, prefix = piece["phrase"], bool(piece["star"])
    else:
        said, prefix = piece["word"], piece["word"].endswith("*")
    found = words(said)
    cut = len(found) > LONGEST_PHRASE
    return Term(tuple(found[:LONGEST_PHRASE]), prefix and not cut) if found else None
