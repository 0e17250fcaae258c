"""The types of a schema, known again in whatever spelling a model gives them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ruie.grounding import normalise
from ruie.output import marks
from ruie.output.json_names import LISTS

_JOINTS = re.compile(r"(?<=\w)[\s_-]+(?=\w)|[\s_]+")
_SIGNED = re.compile(r".*\w[+#-]+", re.DOTALL)
"""A label that ends in a sign is none without it: `C++`, `HIV-`."""
_COUNTED = re.compile(r"(.*[^\W\d_])[\s_-]*(?:[#(\[]\s*)*\d{1,3}[\s)\]]*", re.DOTALL)
"""A label with the number of an item. What is before the number ends in a letter."""


class Labels:
    """Finds the label that is meant: as written, in another case or width (`normalise`), with other
    joints (`org-name` for `ORG_NAME`), in the plural or the singular; but `items` is no `Item`, for
    any list is called that.

    A number after a label counts its items (`PERSON 1`, `PERSON (1)`), unless labels of the schema
    themselves are told apart by such numbers.
    Of two labels that differ only in case, one written in a third case is the first in the schema.
    Of two that differ only in joints, each is found by its own joints alone.
    """

    def __init__(self, labels: Iterable[str]) -> None:
        listed = list(labels)
        self.exact = set(listed)
        self.folded: dict[str, str] = {}
        self.joined: dict[str, str | None] = {}
        for label in listed:
            folded = normalise(label)
            first = self.folded.setdefault(folded, label)
            spelled = _JOINTS.sub("", folded)
            if spelled and first == label:
                self.joined[spelled] = None if spelled in self.joined else label
        self.plurals: dict[str, str | None] = {}
        for spelled, one in self.joined.items():
            for other in (spelled + "s", spelled.removesuffix("s")):
                named = other not in self.plurals and other not in LISTS
                self.plurals[other] = one if named else None
        stems = (_COUNTED.fullmatch(label) for label in listed)
        self.numbered = {normalise(stem[1]) for stem in stems if stem}
        """What labels of the schema begin with that end in a number."""
        self.longest = max(map(len, listed), default=0)
        self.colons = max((marks.plain(label).count(":") for label in listed), default=0)
        """The most colons that a label has."""
        self.joints = max((len(marks.BOUNDARY.findall(label)) for label in listed), default=0)
        """The most places in a label at which another could begin."""

    def find(self, written: str) -> str | None:
        """The label, or None if none is meant, or more than one."""
        if written in self.exact:
            return written
        written = written.strip()
        if not written or len(written) > 4 * self.longest + marks.LONGEST:
            return None
        if _SIGNED.fullmatch(written):
            return self._spelled(written)
        bare = marks.bare(written)
        return self._spelled(written) or self._spelled(bare) or self._counted(bare)

    def _counted(self, written: str) -> str | None:
        found = _COUNTED.fullmatch(written)
        if found is None or normalise(found[1]) in self.numbered:
            return None
        return self._spelled(found[1])

    def _spelled(self, written: str) -> str | None:
        if written in self.exact:
            return written
        folded = normalise(written)
        if not folded:
            return None
        if (label := self.folded.get(folded)) is not None:
            return label
        spelled = _JOINTS.sub("", folded)
        return self.joined[spelled] if spelled in self.joined else self.plurals.get(spelled)
