"""Names that an error lists: what there is, the closest to what was asked for first."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

LONGEST = 200
"""Characters of a name that are compared: the comparison takes the square of them."""


def closest_first(name: str, known: Iterable[str]) -> list[str]:
    """The known names by their likeness to `name`, regardless of case; equal ones as they came."""
    wanted = name[:LONGEST].casefold()
    matcher = difflib.SequenceMatcher(None, "", wanted, autojunk=False)

    def unlike(other: str) -> float:
        matcher.set_seq1(other[:LONGEST].casefold())
        return -matcher.ratio()

    return sorted(known, key=unlike)


def listed(names: Sequence[str], most: int = 8) -> str:
    """`a, b and c`; of more than `most` names the first, and how many more there are."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most:,} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
