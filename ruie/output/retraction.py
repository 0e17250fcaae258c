"""What a model names only to say that it is none: `LOC: Paris (not a location)`, `Rejected: LOC:
Paris`.

The note after a span takes it back if it begins with a denial or with a word for taking out; one
that explains the span may hold either (`Ada, who was not there`). A heading takes back what stands
below it, up to the next heading, if it begins or ends so.
"""

from __future__ import annotations

import re

_BEFORE = (
    r"(?:but|this|that|these|it|they|is|are|was|were|be|been|has|have|should|would|could|possibl[ey]"
    r"|probably|likely|actually|also|considered|candidates?|items?)"
)
_DENIAL = (
    r"(?:not|never|no(?=\s*+\)|\s*+$|,|\s++[^\W\d])|(?:is|are|was|were|do|does|did)n['’]t|cannot)"
)
_TAKEN_OUT = (
    r"(?:exclu(?:d|sion)|reject|remov|omit|discard|dismiss|ignor|skipp|dropp|left\s+out"
    r"|false|wrong|incorrect|invalid)"
)
_BEGINS = re.compile(
    rf"[\W_]{{0,9}}+(?:{_BEFORE}[\s,]{{1,9}}+){{0,6}}+(?:{_DENIAL}\b|{_DENIAL}$|{_TAKEN_OUT})",
    re.IGNORECASE,
)
_ENDS = re.compile(rf"\b(?:{_DENIAL}\s+\w{{1,20}}|{_TAKEN_OUT}\w{{0,9}})\W*", re.IGNORECASE)
LONGEST = 120
"""Characters of a heading or note that are looked at."""


def takes_back(note: str) -> bool:
    """Whether a note says that what it stands beside is no item."""
    return _BEGINS.match(note[:LONGEST]) is not None


def takes_back_below(heading: str) -> bool:
    """Whether a heading says that what stands below it are no items."""
    heading = heading.replace("_", " ")
    last = heading[-LONGEST:]
    return takes_back(heading) or any(m.end() == len(last) for m in _ENDS.finditer(last))


def in_json(key: str, inner: object) -> bool:
    """Whether an object lists under this name what are no items."""
    return isinstance(inner, dict | list) and bool(inner) and takes_back_below(key)
