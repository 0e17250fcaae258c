"""A label and its spans side by side, in whichever order: `Mara Quill: PERSON`, `(Mara Quill,
works_for, Orvane)`, `| 1 | Mara Quill | PERSON |`.

The label is the one field that is a label of the schema, and the spans are in the text: whatever
else has this shape (`Type: PERSON`) is no item.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from ruie.output import marks
from ruie.output.labels import Labels
from ruie.output.roles import head_first

MAX_FIELDS = 64
"""Fields of one piece; later ones are not considered."""

BETWEEN = re.compile(r"=>|->|→|=|:|,|\s[-–—]\s")
"""What stands between two fields, apart from the bars of a table."""
_NUMBER = re.compile(r"#?\d{1,4}[.)]?")

Found = tuple[str, tuple[str, ...]]
"""A label of the schema and its parts."""


class FieldReader:
    """Reads pieces of one output. cut: the parts that are written in a piece, and whether the text
    has them; barest: a part as the text has it, or None."""

    def __init__(
        self,
        labels: Labels,
        arity: int,
        cut: Callable[[str], tuple[tuple[str, ...], bool]],
        barest: Callable[[str], str | None],
    ) -> None:
        self.labels = labels
        self.arity = arity
        self.cut = cut
        self.barest = barest

    def read(self, raw: str) -> Found | None:
        """The item that a piece is, or None."""
        plain = marks.plain(raw)
        if "|" in plain or "\t" in plain:
            return self._row(cells(raw))
        joints = [(found.start(), found.end()) for found in BETWEEN.finditer(plain)]
        if not joints:
            return None
        return self._beside(raw, joints) or self._between(raw, joints[:MAX_FIELDS])

    def _row(self, row: list[str]) -> Found | None:
        """A row of a table, which may have more columns: numbers, notes."""
        labelled = [(at, label) for at, cell in enumerate(row) if (label := self._label(cell))]
        if len(labelled) != 1:
            return None
        at, label = labelled[0]
        others = row[:at] + row[at + 1 :]
        if len(others) > self.arity and _NUMBER.fullmatch(others[0]):
            others = others[1:]
        found = [part for cell in others if (part := self.barest(cell)) is not None]
        if len(found) >= self.arity:
            return label, tuple(found[: self.arity])
        listed = self.cut(others[0]) if others else ((), False)  # `works_for | Mara Quill, Orvane`
        return (label, listed[0]) if listed[1] else None

    def _beside(self, raw: str, joints: list[tuple[int, int]]) -> Found | None:
        """The label first, or last."""
        last = joints[-1 - self.labels.colons :]
        sides = [(raw[end:], raw[:start]) for start, end in reversed(last)]
        sides.append((raw[: joints[0][0]], raw[joints[0][1] :]))
        for written, rest in sides:
            if (label := self._label(written)) and not self._label(rest):
                parts, good = self.cut(rest.strip())
                if good:
                    return label, parts
        return None

    def _between(self, raw: str, joints: list[tuple[int, int]]) -> Found | None:
        """The label between head and tail."""
        if self.arity == 1:
            return None
        for (start, end), (close, after) in pairwise(joints):
            if label := self._label(raw[end:close]):
                sides = raw[:start].strip(" \t([{"), raw[after:].strip(" \t")
                head, tail = map(self.barest, head_first(*sides) or (raw[:start].strip(), sides[1]))
                if head is not None and tail is not None:
                    return label, (head, tail)
        return None

    def _label(self, written: str) -> str | None:
        return self.labels.find(written) if written.strip() else None


def cells(line: str) -> list[str]:
    """The cells of a row of a table."""
    plain = marks.plain(line)
    found: list[str] = []
    start = 0
    for cell in re.split(r"[|\t]", plain, maxsplit=MAX_FIELDS):
        found.append(line[start : start + len(cell)].strip())
        start += len(cell) + 1
    # the bars around a row
    return found[not found[0] : len(found) - (len(found) > 1 and not found[-1])]
