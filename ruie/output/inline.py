"""Labels set into the sentence itself: `<PERSON>Mara Quill</PERSON> left <ORG>Orvane</ORG>`,
`[Mara Quill](PERSON) left …`, `[PERSON: Mara Quill] left …`.

What stands between them is the sentence once more, and no item. A sentence in which only the end of
a span is marked (`Mara Quill (PERSON) left Orvane (ORG)`) is not read: where the span begins is not
said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ruie.output import marks
from ruie.output.segments import Segment, SegmentReader

MAX_WORDS = 6
"""Words of a label that is written beside its span without a mark between them."""
MAX_OPEN = 32
"""Tags within tags."""

_TAG = re.compile(r"<(/?)([^<>/]{1,120})>|\[(/?)([^\[\]/]{1,120})\]")
_CLOSES = re.compile(r"</[^<>/]{1,120}>|\[/[^\[\]/]{1,120}\]")
_VALUE = re.compile(r"=\s*[\"']?([^\"'=]+)[\"']?")
_GROUP = re.compile(
    r"\[([^\[\]]{1,400})\]\s?\(([^()]{1,120})\)"
    r"|[\[({<【「（［]([^\[\](){}<>【】「」（）［］]{1,400})[\])}>】」）］]"
)


def better(line: str, found: list[Segment], reader: SegmentReader) -> list[Segment]:
    """The segments found in a line, or those by its tags or brackets, if more are good."""
    good = sum(segment.good for segment in found)
    for read in (_tagged, _grouped):
        others = read(line, reader)
        if sum(segment.good for segment in others) > good:
            return others
    return found


@dataclass(slots=True)
class _Element:
    """A tag that is open, with the text after it. known: it holds an element of a known label."""

    name: str
    start: int
    text: list[str] = field(default_factory=list)
    known: bool = False


def _tagged(line: str, reader: SegmentReader) -> list[Segment]:
    """Every element of a line with closing tags, and what is between them."""
    if not _CLOSES.search(line):
        return []
    segments: list[Segment] = []
    beside: list[str] = [""]
    around: list[_Element] = []
    at = 0
    for tag in _TAG.finditer(line):
        closes, name = (tag[1] or tag[3]), (tag[2] or tag[4]).strip()
        between, at = line[at : tag.start()], tag.end()
        for element in around:
            element.text.append(between)
        if not around:
            beside[-1] += between
        if not closes:
            if len(around) < MAX_OPEN:
                around.append(_Element(name, tag.start()))
            continue
        if not around or around[-1].name.split()[:1] != name.split()[:1]:
            continue
        element = around.pop()
        raw = line[element.start : tag.end()]
        segment = _element(element, raw, reader)
        if segment is not None:
            segments.append(segment)
            for outer in around:
                outer.known = True
            beside.append("")
    beside[-1] += line[at:]
    return [*segments, *_rest(beside, reader)] if segments else []


def _element(element: _Element, raw: str, reader: SegmentReader) -> Segment | None:
    if reader.contains(raw):
        return None  # an element of the text itself
    value = _VALUE.search(element.name)
    names = [*([value[1]] if value else []), element.name, *element.name.split()[:1]]
    label = next(filter(None, map(reader.labels.find, names)), None)
    text = "".join(element.text)
    if label is not None:
        return reader.under(label, text, raw)
    if element.known or not text.strip():
        return None  # an element around others
    return Segment(raw, element.name, (text.strip(),), False)


def _grouped(line: str, reader: SegmentReader) -> list[Segment]:
    """What is in brackets and is an item, and what is between them."""
    segments: list[Segment] = []
    beside: list[str] = []
    at = 0
    for group in _GROUP.finditer(line):
        if reader.contains(group[0]):
            continue  # brackets of the text itself
        segment = _linked(group, reader) if group[2] is not None else _inside(group, reader)
        if segment is not None and segment.good:
            segments.append(segment)
            beside.append(line[at : group.start()])
            at = group.end()
    beside.append(line[at:])
    return [*segments, *_rest(beside, reader)] if segments else []


def _linked(group: re.Match[str], reader: SegmentReader) -> Segment | None:
    """`[Mara Quill](PERSON)`"""
    for written, rest in ((group[2], group[1]), (group[1], group[2])):
        if label := reader.labels.find(written):
            return reader.under(label, rest, group[0])
    return None


def _inside(group: re.Match[str], reader: SegmentReader) -> Segment | None:
    """`[PERSON: Mara Quill]`, `(Mara Quill, PERSON)`, `[PERSON Mara Quill]`"""
    inner = group[3].strip()
    segment = reader.segment(inner)
    if segment.good:
        return segment
    words = inner.split()
    for count in range(1, min(MAX_WORDS, len(words) - 1) + 1):
        for written, rest in (
            (words[:count], words[count:]),
            (words[-count:], words[:-count]),
        ):
            if label := reader.labels.find(" ".join(written)):
                segment = reader.under(label, " ".join(rest), group[0])
                if segment.good:
                    return segment
    return None


def _rest(beside: list[str], reader: SegmentReader) -> Iterator[Segment]:
    """What is neither an item nor of the sentence, nor a mark."""
    for piece in beside:
        written = piece.strip()
        bare = marks.bare(written)
        if marks.empty(written) or not re.search(r"\w", bare) or reader.labels.find(bare):
            continue
        if not reader.contains(written) and reader.barest(written) is None:
            yield Segment(written, None, (), False)
