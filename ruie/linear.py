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
LOOP_ITEMS = 3
"""Repeated items from which an answer counts as a loop."""
MAX_CUTS = 64
"""Semicolons up to which every cut is weighed; past it (a model gone astray) each one cuts."""
MAX_JOINED = 16
"""Pieces between semicolons that one segment may hold: a span with more is not looked for."""
MAX_COMMAS = 64


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the output: a label and its parts, or, with `label` None, something unreadable."""

    raw: str
    label: str | None
    parts: tuple[str, ...]
    good: bool
    """The label is a known one and every part is in the text."""


def render(items: Iterable[Item]) -> str:
    """The gold answer as the model should write it."""
    told = [f"{item.type}: {', '.join(one_line(s.text) for s in item.spans)}" for item in items]
    return "; ".join(told) or NOTHING


def one_line(text: str) -> str:
    """White space collapsed: the form is one line, so what is shown must be one line too."""
    return " ".join(text.split())


def is_none(output: str) -> bool:
    """Whether the output says that there is nothing."""
    return output.strip().strip(".`'\"").lower() == NOTHING.lower()


def split(
    line: str, labels: Sequence[str], arity: int, contains: Callable[[str], bool]
) -> list[Segment]:
    """Cut one line of output into segments.

    Every `;` may cut. Of all ways to cut, the one wins that leaves the most characters (but for
    the `;` and the space around them) in good segments, and of those the one with the most
    segments (two items rather than one whose span reads like the second, where the text has
    both). Dynamic programming over the cuts.
    """
    if not line.strip():
        return []
    ends = [m.start() for m in re.finditer(";", line)] + [len(line)]
    reader = _Reader(labels, arity, contains)
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
            told = sum(len(piece.strip()) for piece in segment.raw.split(";"))
            if not told:
                options.append((good, count, rest))
                continue
            gain = told if segment.good else 0
            options.append((good + gain, count + 1, [segment, *rest]))
        best[i] = max(options, key=lambda option: option[:2])
    return best[0][2]


class _Reader:
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
        found = []
        for label, fold in self.labels:
            # casefold may change the length ('ß'), so the colon is looked for in the fold
            if folded.startswith(fold) and folded[len(fold) :].lstrip().startswith(":"):
                found.append(label)
        # of two that differ in case alone, the one that is written
        return sorted(found, key=lambda label: (-len(label), not raw.startswith(label)))

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
                break  # nor is a longer head
            if self._in_text(cut[1]):
                return cut
        return cuts[0] if cuts else ()

    def _in_text(self, part: str) -> bool:
        if part not in self.known:
            self.known[part] = self.contains(part)
        return self.known[part]


def ended_in_a_loop(output: str) -> str | None:
    """For an answer that ran into its length limit: what is complete, if the rest only repeats.

    Small models that decode greedily fall into telling the same items over and over. If the
    second half of the complete items holds nothing that the first half does not, more tokens
    would bring nothing new: the answer without its last, broken item is all there is. None if the
    answer was cut off while it still said new things.
    """
    complete = [" ".join(item.split()) for item in output.split(";")[:-1]]
    half = len(complete) // 2
    if half < LOOP_ITEMS or not set(complete[half:]) <= set(complete[:half]):
        return None
    return output.rpartition(";")[0]
