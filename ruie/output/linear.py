"""The linear output form: `type: span; type: span`, for relations `type: head, tail`, or `None`.

Types and spans may hold `:`, `;` and `,` themselves. Where an output can be cut in more than one
way, the cut is chosen whose pieces are known types and spans of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ruie.output import marks
from ruie.output.fields import BETWEEN
from ruie.output.nothing import NOTHING, is_none
from ruie.output.segments import MAX_COMMAS, Segment, SegmentReader
from ruie.records import Item

__all__ = ["MAX_COMMAS", "NOTHING", "Segment", "is_none"]

MAX_CUTS = 64
"""Up to so many cuts every way to choose among them is considered; above that, all are made."""
MAX_JOINED = 16
"""Pieces between cuts that one segment may consist of."""

_BEFORE = re.compile(rf"{BETWEEN.pattern}|[(\[|]")
"""What may stand before a label that follows its span."""
_CLOSE = re.compile(r"[,|.]\s+|(?<=[)\]])\s+(?=\(?\d{1,3}[.)]|[-*•]\s)")
"""Where an item may end with such a label."""
_SEPARATORS = str.maketrans("", "", ";,|：；，、 \t")


def render(items: Iterable[Item]) -> str:
    """The gold answer as the model should write it."""
    written = [f"{i.type}: {', '.join(one_line(s.text) for s in i.spans)}" for i in items]
    return "; ".join(written) or NOTHING


def one_line(text: str) -> str:
    """White space collapsed: the output form is one line, so the spans shown must be, too."""
    return " ".join(text.split())


def cut(line: str, reader: SegmentReader) -> list[Segment]:
    """Cut one line of output into segments.

    Every `;` may be a cut, and every place at which a known label begins (`PER: Ada, ORG: Orvane`,
    `Entities: PER: Ada`, `1. PER: Ada 2. ORG: Orvane`) or ends after its span. Of all ways to cut,
    the one wins that leaves the most characters (other than those that separate) in good segments,
    of those the one with the most known labels, and of those the one with the most segments after
    semicolons (two items rather than one whose span looks like both, if the text has both readings)
    and the fewest others. Dynamic programming
    over the cuts.
    """
    if not line.strip():
        return []
    pieces = list(_between_semicolons(line))
    cuts = [_ends(line, _starts(line, a, b, reader), reader) for a, b in pieces]
    if len(pieces) > MAX_CUTS:
        return [s for found in cuts for s in _chosen(line, found, {found[0][0]}, reader)]
    pieces = [piece for found in cuts for piece in found]
    return _chosen(line, pieces, {found[0][0] for found in cuts}, reader)


def _between_semicolons(line: str) -> Iterator[tuple[int, int]]:
    """The pieces that are not blank."""
    start = 0
    for piece in marks.plain(line).split(";"):
        if piece.strip():
            yield start, start + len(piece)
        start += len(piece) + 1


def _starts(line: str, start: int, end: int, reader: SegmentReader) -> list[tuple[int, int]]:
    """The piece of a line between two semicolons, cut before each label that is known."""
    labels = reader.labels
    plain = marks.plain(line[start:end])
    window = 2 * labels.longest + marks.LONGEST
    pieces: list[tuple[int, int]] = []
    begin = 0
    colons = [found.start() for found in re.finditer(":", plain)]
    for number, colon in enumerate(colons):
        # from the colon before it: one that a label may have is between
        before = number - labels.colons - 1
        before = max(begin, colon - window, colons[before] if before >= 0 else 0)
        bounds = list(marks.BOUNDARY.finditer(plain, before, colon))
        for bound in bounds[-labels.joints - 3 :]:
            if labels.find(line[start + bound.end() : start + colon]) is not None:
                # a heading keeps its colon
                close = bound.start() + (plain[bound.start()] == ":")
                pieces.append((start + begin, start + close))
                begin = bound.end()
                break
    pieces.append((start + begin, end))
    return pieces


def _ends(line: str, pieces: list[tuple[int, int]], reader: SegmentReader) -> list[tuple[int, int]]:
    """The pieces, cut after each label that follows its span: `Ada: PER, Orvane: ORG`."""
    labels = reader.labels
    window = 2 * labels.longest + marks.LONGEST
    found: list[tuple[int, int]] = []
    for start, end in pieces:
        plain = marks.plain(line[start:end])
        begin = 0
        for close in _CLOSE.finditer(plain):
            at = close.start()
            first = max(begin, at - window)
            joint = None
            for joint in _BEFORE.finditer(plain, first, at):  # noqa: B007 the last one
                pass
            if joint is None or labels.find(line[start + joint.end() : start + at]) is None:
                continue
            if labels.find(line[start + begin : start + joint.start()]) is not None:
                continue  # a span that is named like a label
            found.append((start + begin, start + at))
            begin = close.end()
        found.append((start + begin, end))
    return found


def _chosen(
    line: str, pieces: list[tuple[int, int]], after_semicolon: set[int], reader: SegmentReader
) -> list[Segment]:
    count = len(pieces)
    if count > MAX_CUTS or count == 1:
        every = [reader.segment(line[a:b]) for a, b in pieces]
        return [segment for segment in every if segment.raw]
    # best[i]: (good characters, known labels, segments) for what is left from pieces[i] on
    best: list[tuple[int, int, int]] = [(0, 0, 0)] * (count + 1)
    taken: list[tuple[int, Segment | None]] = [(0, None)] * count
    for i in range(count - 1, -1, -1):
        for j in range(i, min(i + MAX_JOINED, count)):
            segment = reader.segment(line[pieces[i][0] : pieces[j][1]])
            good, labelled, number = best[j + 1]
            size = len(segment.raw.translate(_SEPARATORS))
            counts = 0 if not size else 1 if pieces[i][0] in after_semicolon else -1
            known = segment.label is not None and reader.labels.find(segment.label) is not None
            labelled += known
            value = (good + _borne_out(segment), labelled, number + counts)
            if taken[i][0] == 0 or value > best[i]:
                best[i], taken[i] = value, (j + 1, segment if size else None)
    found: list[Segment] = []
    at = 0
    while at < count:
        at, chosen = taken[at]
        if chosen is not None:
            found.append(chosen)
    return found


def _borne_out(segment: Segment) -> int:
    """The characters of a good segment: its label, a colon, and its parts without their marks."""
    if not segment.good or segment.label is None:
        return 0
    return 1 + sum(len(piece.translate(_SEPARATORS)) for piece in (segment.label, *segment.parts))
