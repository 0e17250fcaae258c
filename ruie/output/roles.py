"""Head and tail of a relation, where they are named: `Orvane (tail), Mara Quill (head)`, `tail:
Orvane, head: Mara Quill`, `| Tail | Relation | Head |`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ruie.output.json_names import HEADS, TAILS, TYPES, plain_key

_FIRST = re.compile(r"\W{0,9}(?P<name>\w[\w ]{0,20}?)\s{0,3}[:=](?P<part>.+)", re.DOTALL)
_LAST = re.compile(r"(?P<part>.+?)\s{0,3}[(\[](?P<name>[\w ]{1,20})[)\]][\W_]{0,9}", re.DOTALL)
MAX_PART = 1000
"""Characters of a part that may be named."""


def head_first(a: str, b: str) -> tuple[str, str] | None:
    """Head and tail without their names, or None where they have none."""
    named = [_named(part) for part in (a, b)]
    if named[0] is None or named[1] is None or named[0][0] == named[1][0]:
        return None
    parts = dict(part for part in named if part is not None)
    return parts["head"], parts["tail"]


def columns(names: Sequence[str]) -> tuple[int, int, int] | None:
    """Which columns of a table are type, head and tail; None where it is not said of each."""
    found = []
    for wanted in (TYPES, HEADS, TAILS):
        places = [at for at, name in enumerate(names) if plain_key(name) in wanted]
        if len(places) != 1:
            return None
        found.append(places[0])
    kind, head, tail = found
    return kind, head, tail


def _named(part: str) -> tuple[str, str] | None:
    """`head` or `tail`, and the part without that name."""
    if len(part) > MAX_PART:
        return None
    for form in (_FIRST, _LAST):
        if found := form.fullmatch(part.strip()):
            name = plain_key(found["name"])
            if name in HEADS or name in TAILS:
                return ("head" if name in HEADS else "tail"), found["part"].strip()
    return None
