"""What stands beside a span as if it explained it, and may be an answer that is left out:
`PERSON: Mara Quill - John Reed`.

A note is dropped where it begins (`marks.peeled`). A piece of it that the text has could be another
item. Which of the two it is cannot be told, so that it is rejected: it is counted, and nothing is
lost in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from ruie.output import marks

_DIVIDES = re.compile(
    r"[:;,|/#()\[\]{}<>\"“”\t]|[.!?](?=\s|$)|\s[-–—]{1,2}\s"
    r"|\s(?:and|or|also|then|plus|is|are|was|were)(?=\s)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"\s(?:who|whom|whose|which|where|since|as|because)\s.*", re.DOTALL | re.IGNORECASE
)
"""What says something of the span, and lists none."""
MAX_PIECES = 64
"""Pieces of one note that are looked at."""


def left_out(written: str, parts: Sequence[str], contains: Callable[[str], bool]) -> Iterator[str]:
    """The pieces beside an item that the text has. written: what was read as its parts. Words in
    lower case beside a span that has a capital describe it, and are none."""
    named = any(part != part.lower() for part in parts)
    looked_at = 0
    for beside in _between(written, parts):
        for piece in _DIVIDES.split(_CLAUSE.sub("", marks.plain(beside))):
            bare = marks.bare(piece.strip())
            if not re.search(r"\w", bare) or (named and bare == bare.lower() and bare.islower()):
                continue
            if any(bare in part for part in parts):
                continue
            if (looked_at := looked_at + 1) > MAX_PIECES:
                return
            if contains(bare):
                yield bare


def _between(written: str, parts: Sequence[str]) -> Iterator[str]:
    at = 0
    for part in parts:
        found = written.find(part, at)
        if found < 0:
            return
        yield written[at:found]
        at = found + len(part)
    yield written[at:]
