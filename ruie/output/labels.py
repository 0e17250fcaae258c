"""The types of a schema, known again in whatever spelling a model gives them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ruie.grounding import normalise
from ruie.output import marks

_JOINTS = re.compile(r"[\s_-]+")


class Labels:
    """Finds the label that is meant: as written, in another case or width (`normalise`), or with
    other joints (`org-name` for `ORG_NAME`).

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
        return self._spelled(written) or self._spelled(marks.bare(written))

    def _spelled(self, written: str) -> str | None:
        if written in self.exact:
            return written
        folded = normalise(written)
        if not folded:
            return None
        return self.folded.get(folded) or self.joined.get(_JOINTS.sub("", folded))
