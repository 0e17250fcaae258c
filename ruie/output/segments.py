"""One segment of the linear form: a label and its parts, read as the text bears them out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ruie.output import marks
from ruie.output.aside import left_out
from ruie.output.fields import FieldReader
from ruie.output.labels import Labels
from ruie.output.roles import head_first

MAX_COMMAS = 64
"""Commas at which head and tail of a relation may be divided; later ones are not considered."""

_JOINT = re.compile(r"=>|->|→|=|\||\t|\s[-–—]\s")
"""What may stand for the colon, or for the comma between head and tail."""
_CALL = re.compile(r"([^()]+)\((.*)\)\s*[.,]?")
_COMMA = re.compile(f",(?!{marks.COMPANY})")
_BAR = re.compile(r"\|")
_GROUP = re.compile(r"[(\[<{]([^()\[\]<>{}]+)[)\]>}]")
_OUTSIDE = re.compile(r"(?:[\s,;&.()\[\]<>{}*+•–-]|\d{1,3}[.)]|\band\b)*+")
"""What may stand around pairs in brackets."""
_SEMICOLON = re.compile(";")


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the output: a label and its parts, or, with `label` None, text of another form."""

    raw: str
    label: str | None
    parts: tuple[str, ...]
    """Of one item, or of several one after another."""
    good: bool
    """The label is known and every part occurs in the text."""
    rest: str = ""
    """What is written after the label, and was read as the parts."""


class SegmentReader:
    """Reads segments of one output: `label: part` or `label: part, part`."""

    def __init__(self, labels: Iterable[str], arity: int, contains: Callable[[str], bool]) -> None:
        self.labels = Labels(labels)
        self.arity = arity
        self.contains = contains
        self.found: dict[str, bool] = {}
        self.fields = FieldReader(self.labels, arity, self._cut, self.barest)

    def segment(self, raw: str) -> Segment:
        raw = raw.strip()
        known: Segment | None = None
        for label, rest in self._labelled(raw):
            reading = self.under(label, rest, raw)
            if reading.good:
                return reading
            known = known or reading
        # a label that stands first is no other field's, but in a table with more columns
        fields = ";" not in raw and (known is None or "|" in raw or "\t" in raw)
        # what the text itself has says nothing about types
        if fields and (found := self.fields.read(raw)) and not self._in_text(raw):
            return Segment(raw, *found, True)
        if known is not None:
            return known
        head, colon, rest = _divided(raw)
        if not colon or not head or not (parts := self._cut(rest)[0]):
            return Segment(raw, None, (), False)
        return Segment(raw, head, parts, False)

    def under(self, label: str, rest: str, raw: str) -> Segment:
        """What is written for a known label."""
        parts, good = self._cut(rest.strip().rstrip("。"))
        return Segment(raw, label if parts else None, parts, good, rest)

    def left_out(self, segment: Segment) -> Iterator[str]:
        """What stands beside the parts of a good segment, and is in the text."""
        return left_out(segment.rest, segment.parts, self._in_text)

    def _labelled(self, raw: str) -> Iterator[tuple[str, str]]:
        """Each label that the segment may begin with, the longest first, and what follows it."""
        plain = marks.plain(raw)
        colons: list[int] = []
        while len(colons) <= self.labels.colons and (
            (at := plain.find(":", colons[-1] + 1 if colons else 0)) >= 0
        ):
            colons.append(at)
        labelled = False
        for at in reversed(colons):
            if label := self.labels.find(raw[:at]):
                labelled = True
                yield label, raw[at + 1 :]
        if labelled:
            return
        row = plain.lstrip("| ")
        joint = _JOINT.search(row, 0, 4 * self.labels.longest + marks.LONGEST)
        if joint and (label := self.labels.find(row[: joint.start()])):
            yield label, raw[len(raw) - len(row) + joint.end() :]
        elif raw.rstrip(" .,").endswith(")") and (call := _CALL.fullmatch(marks.unlisted(raw))):
            if label := self.labels.find(call[1]):
                yield label, call[2]
            elif (label := self.labels.find(call[2])) and self.barest(call[1].strip()):
                yield label, call[1]

    def _cut(self, rest: str) -> tuple[tuple[str, ...], bool]:
        """The parts, () if there are too few, and whether all are in the text."""
        if self.arity == 1:
            if (found := self.barest(rest)) is not None:
                return (found,), True
            return ((inner,) if (inner := marks.unwrapped(rest)) else ()), False
        plain = marks.plain(rest)
        cuts = _pairs(rest, _COMMA.finditer(plain))
        # first as written: a mark may belong to a span
        if (pair := _first(cuts, self._as_written)) is not None:
            return pair, True
        if listed := self._several(rest):
            return listed
        if (pair := self._named(cuts)) is not None:
            return pair, True
        if (pair := _first(cuts, self.barest)) is not None:
            return pair, True
        others = _pairs(rest, _JOINT.finditer(plain))
        if not others and not cuts and plain.count(";") == 1:  # `Acme, Inc.; Belto`
            others = _pairs(rest, _SEMICOLON.finditer(plain))
        if (pair := _first(others, self.barest)) is not None:
            return pair, True
        chosen = (cuts or others)[:1]
        return (tuple(map(marks.unwrapped, chosen[0])) if chosen else ()), False

    def _several(self, rest: str) -> tuple[tuple[str, ...], bool] | None:
        """The parts of several pairs that are listed: `(Ada, Acme), (Bob, Belto)`, `Ada - Acme, Bob
        - Belto`. They are no explanations of each other. None if it is not such a list."""
        for pairs in (_groups(rest), _divided_pairs(rest)):
            if pairs and all(map(self.barest, pairs[0])):
                parts: list[str] = []
                for pair in pairs:
                    parts += [self.barest(part) or marks.unwrapped(part) or part for part in pair]
                return tuple(parts), all(map(self._in_text, parts))
        return None

    def _named(self, cuts: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
        """Head and tail, where they are named as such."""
        for cut in cuts:
            if (parts := head_first(*cut)) is not None:
                head, tail = map(self.barest, parts)
                if head is not None and tail is not None:
                    return head, tail
        return None

    def _as_written(self, part: str) -> str | None:
        return part if self._in_text(part) else None

    def barest(self, part: str) -> str | None:
        """The part, with as few of its marks taken off as it takes for the text to have it."""
        return marks.barest(part, self._in_text)

    def _in_text(self, part: str) -> bool:
        if part not in self.found:
            self.found[part] = self.contains(part)
        return self.found[part]


def _groups(rest: str) -> list[tuple[str, str]]:
    """Pairs in brackets, with nothing between them; [] if there are not several."""
    if not _OUTSIDE.fullmatch(_GROUP.sub("", rest)):
        return []
    groups = [found[1] for found in _GROUP.finditer(rest)]
    return _all_pairs(groups, _COMMA) or _all_pairs(groups, _JOINT)


def _divided_pairs(rest: str) -> list[tuple[str, str]]:
    """Pairs with a mark of their own between head and tail; [] if there are not several."""
    plain = marks.plain(rest)
    for between, within in ((_COMMA, _JOINT), (_BAR, _COMMA)):
        ends = [found.start() for found in between.finditer(plain)]
        starts = [0, *(end + 1 for end in ends)]
        pieces = [rest[a:b] for a, b in zip(starts, [*ends, len(rest)], strict=True)]
        if pairs := _all_pairs(pieces, within):
            return pairs
    return []


def _all_pairs(pieces: list[str], within: re.Pattern[str]) -> list[tuple[str, str]]:
    """Each piece as head and tail; [] if there is only one, or one without just one mark."""
    found: list[tuple[str, str]] = []
    for piece in pieces if len(pieces) > 1 else ():
        joints = list(within.finditer(marks.plain(piece)))
        if len(joints) != 1:
            return []
        head, tail = piece[: joints[0].start()].strip(), piece[joints[0].end() :].strip()
        if not (head and tail):
            return []
        found.append((head, tail))
    return found


def _divided(raw: str) -> tuple[str, bool, str]:
    at = marks.plain(raw).find(":")
    return raw[:at].strip(), at >= 0, raw[at + 1 :].strip()


def _pairs(rest: str, between: Iterator[re.Match[str]]) -> list[tuple[str, str]]:
    divided = []
    for _, mark in zip(range(MAX_COMMAS), between, strict=False):
        head, tail = rest[: mark.start()].strip(), rest[mark.end() :].strip()
        if head and tail:
            divided.append((head, tail))
    return divided


def _first(
    cuts: list[tuple[str, str]], look: Callable[[str], str | None]
) -> tuple[str, str] | None:
    for head, tail in cuts:
        if (first := look(head)) is None:
            return None  # then neither is a longer head in the text
        if (second := look(tail)) is not None:
            return first, second
    return None
