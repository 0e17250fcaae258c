"""The linear output form: `type: span; type: span`, for relations `type: head, tail`, or `None`.

Types and spans may hold `:`, `;` and `,` themselves. Where an output can be cut in more than one
way, the cut is chosen whose pieces are known types and spans of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ruie.records import Item

NOTHING = "None"
MAX_CUTS = 64
"""Up to so many semicolons every way to cut is considered; above that, each is a cut."""
MAX_JOINED = 16
"""Pieces between semicolons that one segment may consist of."""
MAX_COMMAS = 64
"""Commas at which head and tail of a relation may be divided; later ones are not considered."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the output: a label and its parts, or, with `label` None, text of another form."""

    raw: str
    label: str | None
    parts: tuple[str, ...]
    good: bool
    """The label is known and every part occurs in the text."""


def render(items: Iterable[Item]) -> str:
    """The gold answer as the model should write it."""
    written = [f"{i.type}: {', '.join(one_line(s.text) for s in i.spans)}" for i in items]
    return "; ".join(written) or NOTHING


def one_line(text: str) -> str:
    """White space collapsed: the output form is one line, so the spans shown must be, too."""
    return " ".join(text.split())


def is_none(output: str) -> bool:
    """Whether the output states that there are no items."""
    return output.strip().strip(".`'\"").lower() == NOTHING.lower()


def split(
    line: str, labels: Sequence[str], arity: int, contains: Callable[[str], bool]
) -> list[Segment]:
    """Cut one line of output into segments.

    Every `;` may be a cut. Of all ways to cut, the one wins that leaves the most characters (other
    than `;` and the space around them) in good segments, and of those the one with the most
    segments (two items rather than one whose span looks like both, if the text has both readings).
    Dynamic programming over the cuts.
    """
    if not line.strip():
        return []
    ends = [m.start() for m in re.finditer(";", line)] + [len(line)]
    reader = _SegmentReader(labels, arity, contains)
    if len(ends) > MAX_CUTS:
        pieces = [reader.segment(piece) for piece in line.split(";")]
        return [piece for piece in pieces if piece.raw]
    starts = [0] + [end + 1 for end in ends[:-1]]
    # best[i]: (good characters, segments, cuts) for what is left of line[starts[i]:]
    best: list[tuple[int, int, list[Segment]]] = [(0, 0, [])] * (len(ends) + 1)
    for i in range(len(ends) - 1, -1, -1):
        options = []
        for j in range(i, min(i + MAX_JOINED, len(ends))):
            segment = reader.segment(line[starts[i] : ends[j]])
            good, count, rest = best[j + 1]
            size = sum(len(piece.strip()) for piece in segment.raw.split(";"))
            if not size:
                options.append((good, count, rest))
                continue
            gain = size if segment.good else 0
            options.append((good + gain, count + 1, [segment, *rest]))
        best[i] = max(options, key=lambda option: option[:2])
    return best[0][2]


class _SegmentReader:
    """Reads one segment: `label: part` or `label: part, part`."""

    def __init__(self, labels: Sequence[str], arity: int, contains: Callable[[str], bool]) -> None:
        # The longest label first: with types `a` and `a: b`, `a: b: x` names the second.
        self.labels = [(label, label.casefold()) for label in sorted(labels, key=len, reverse=True)]
        self.arity = arity
        self.contains = contains
        self.known: dict[str, bool] = {}

    def segment(self, raw: str) -> Segment:
        raw = raw.strip()
        readings = [self._parts(raw, label) for label in self._labels(raw)]
        for reading in readings:
            if reading.good:
                return reading
        if readings:
            return readings[0]
        label, colon, rest = raw.partition(":")
        parts = self._cut(rest.strip())
        if not colon or not label.strip() or not parts:
            return Segment(raw, None, (), False)
        return Segment(raw, label.strip(), parts, False)

    def _labels(self, raw: str) -> list[str]:
        folded = raw.casefold()
        matching = []
        for label, fold in self.labels:
            # case folding may change the length ('ß'), so the colon is searched in the folded text
            if folded.startswith(fold) and folded[len(fold) :].lstrip().startswith(":"):
                matching.append(label)
        # of two that differ only in case, the one as written
        return sorted(matching, key=lambda label: (-len(label), not raw.startswith(label)))

    def _parts(self, raw: str, label: str) -> Segment:
        rest = self._after(raw, label)
        parts = self._cut(rest)
        good = bool(parts) and all(self._in_text(part) for part in parts)
        return Segment(raw, label if parts else None, parts, good)

    @staticmethod
    def _after(raw: str, label: str) -> str:
        """What follows the label and its colon."""
        colons = label.count(":")
        at = -1
        for _ in range(colons + 1):
            at = raw.index(":", at + 1)
        return raw[at + 1 :].strip()

    def _cut(self, rest: str) -> tuple[str, ...]:
        """The parts, or () if there are too few."""
        if self.arity == 1:
            return (rest,) if rest else ()
        commas = [m.start() for m in re.finditer(",", rest)][:MAX_COMMAS]
        cuts = [(rest[:at].strip(), rest[at + 1 :].strip()) for at in commas]
        cuts = [cut for cut in cuts if all(cut)]
        for cut in cuts:
            if not self._in_text(cut[0]):
                break  # then neither is a longer head
            if self._in_text(cut[1]):
                return cut
        return cuts[0] if cuts else ()

    def _in_text(self, part: str) -> bool:
        if part not in self.known:
            self.known[part] = self.contains(part)
        return self.known[part]
