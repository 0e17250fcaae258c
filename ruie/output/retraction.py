"""What a model names only to say that it is none: `LOC: Paris (not a location)`, `Rejected: LOC:
Paris`.

The note after a span takes it back if it begins with a denial or with a word for taking out; one
that explains the span may hold either (`Ada, who was not there`). A heading takes back what stands
below it, up to the next heading, if it begins or ends so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ruie.output.json_names import LISTS, plain_key

_BEFORE = (
    r"(?:wait|hmm+|oh|well|sorry|but|this|that|these|it|they|is|are|was|were|be|been|has|have|should|would|could|possibl[ey]"
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
_OUT = re.compile(
    r"(?:\b(?:so|thus|therefore|hence)\b[\s,]{1,9}(?:[\w'’-]{1,20}\s{1,9}){0,4}|;\s{0,9})(?:excluded|omitted"
    r"|rejected|removed|ignored|skipped|discarded|dropped|left\sout"
    r"|not\s(?:included|counted|extracted|listed|tagged|annotated|relevant|applicable))\W*\Z",
    re.IGNORECASE,
)
"""What a note comes to in the end: `(of another event, so it is not included)`."""
NOTES = frozenset(
    ["note", "notes", "comment", "comments", "remark", "explanation", "reason", "reasoning",
     "rationale", "justification"]
)  # fmt: skip
DENIED = frozenset(
    ["valid", "isvalid", "include", "included", "keep", "correct", "iscorrect", "isentity",
     "accepted"]
)  # fmt: skip
"""Of an object of JSON that is an item, the names that say `false` where it is none."""
DRAFTS = frozenset(
    ["thought", "thoughts", "thinking", "reasoning", "analysis", "scratchpad", "draft", "drafts",
     "candidates", "considered", "uncertain", "ambiguous", "doubtful", "example", "examples"]
)  # fmt: skip
"""What stands beside a list of items and is none."""
LONGEST = 120
"""Characters of a heading or note that are looked at."""


def takes_back(note: str) -> bool:
    """Whether a note says that what it stands beside is no item."""
    return _BEGINS.match(note[:LONGEST]) is not None or _OUT.search(note[-LONGEST:]) is not None


def takes_back_below(heading: str) -> bool:
    """Whether a heading says that what stands below it are no items."""
    heading = heading.replace("_", " ")
    last = heading[-LONGEST:]
    return takes_back(heading) or any(m.end() == len(last) for m in _ENDS.finditer(last))


def in_json(key: str, inner: object, others: Iterable[str] = ()) -> bool:
    """Whether an object lists under this name what are no items. others: its names."""
    if not (isinstance(inner, dict | list) and inner):
        return False
    draft = plain_key(key) in DRAFTS and any(plain_key(other) in LISTS for other in others)
    return draft or takes_back_below(key)


def by_fields(entry: Mapping[str, object]) -> bool:
    """Whether an object of JSON that would be an item says in another field that it is none."""
    for key, value in entry.items():
        name = plain_key(key)
        if name in DENIED and value is False:
            return True
        if name in NOTES and isinstance(value, str) and takes_back(value):
            return True
    return False
