"""An answer in the linear form: its lines, lists under headings, and statements of none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ruie.output import inline, linear, marks, roles
from ruie.output.candidates import Candidate, Reading
from ruie.output.fields import cells
from ruie.output.nothing import says_none
from ruie.output.retraction import takes_back_below
from ruie.output.revision import Sections
from ruie.output.segments import Segment, SegmentReader
from ruie.records import Query, Reject, RejectReason


class LinearReader:
    """Reads outputs about one text. contains: whether the text has a piece."""

    def __init__(self, query: Query, contains: Callable[[str], bool]) -> None:
        self.text = query.text
        self.segments = SegmentReader(query.labels, query.task.arity, contains)
        self.labels = self.segments.labels
        self.taken_back = False
        """Whether the last heading says that what is below it are no items."""
        self.sections = Sections(self.labels)

    def read(self, output: str) -> Reading:
        """What is written in an output. Headings are no items and are not rejected, unless there is
        nothing else."""
        reading = Reading()
        headings: list[Reject] = []
        heading: Segment | None = None  # a line that names a type, for the list below it
        columns: list[str] = []
        table: tuple[int, int, int] | None = None
        self.taken_back = False
        self.sections = Sections(self.labels)
        for line in output.splitlines():
            if marks.empty(line):
                continue
            if columns and self._row(line, columns, reading):
                continue
            if table and self._relation(line, table, reading):
                continue
            columns, table = self._columns(line), self._named(line)
            if columns or table:
                headings.append(Reject(RejectReason.MALFORMED, line.strip()))
                continue
            if heading is not None and self._below(line, heading, reading):
                continue
            heading = None
            found = inline.better(line, linear.cut(line, self.segments), self.segments)
            if len(found) == 1 and self._is_heading(found[0]):
                heading = found[0]
                headings.append(Reject(RejectReason.MALFORMED, heading.raw))
                continue
            for number, segment in enumerate(self._listed(line, found)):
                self._divide(segment, reading, first=not number)
                self._take(segment, reading, headings)
        self.sections.settle(reading)
        if not (reading.candidates or reading.none_stated):
            reading.rejects += headings
        return reading

    def _listed(self, line: str, found: list[Segment]) -> Iterator[Segment]:
        """The segments of a line. A span without a label after a semicolon, as the text has it,
        belongs to the label before it: `PERSON: Mara Quill; John`. One that is as long as half of
        the text is the sentence once more."""
        plain = marks.plain(line)
        label: str | None = None
        at = 0
        for segment in found:
            at = max(at, plain.find(marks.plain(segment.raw), at))
            after = plain[:at].rstrip().endswith(";")
            if segment.label is not None:
                label = self.labels.find(segment.label)
            elif after and label is not None and not self.labels.find(segment.raw):
                item = self.segments.under(label, segment.raw, segment.raw)
                short = 2 * len(segment.raw) < len(self.text)
                if item.good and short and all(part in self.text for part in item.parts):
                    segment = item
            at += len(segment.raw)
            yield segment

    def _divide(self, segment: Segment, reading: Reading, *, first: bool) -> None:
        """What is no item, at the beginning of a line or as a heading, may say what those before it
        and after it are."""
        if segment.label is not None and self.labels.find(segment.label):
            return
        heads = marks.opens(segment.raw) or re.match(r"#|\*\*.{1,80}\*\*$", segment.raw) is not None
        if (first or heads) and not self.segments.contains(segment.raw):
            self.sections.divide(reading, segment.raw, heads=heads)

    def _take(self, segment: Segment, reading: Reading, headings: list[Reject]) -> None:
        known = segment.label is not None and self.labels.find(segment.label)
        if not known and not self._is_heading(segment) and marks.opens(segment.raw):
            self.taken_back = takes_back_below(segment.raw.rstrip("*_`# :："))
        if self.taken_back and known:
            reading.rejects.append(Reject(RejectReason.MALFORMED, segment.raw))
            return
        if segment.label is not None and self._nothing(segment):
            reading.none_stated = True
        elif segment.label is not None and (known or not says_none(segment.raw, self.labels)):
            self._add(segment.label, segment, reading)
        elif says_none(segment.raw, self.labels):
            reading.none_stated = True
        else:
            heads = marks.opens(segment.raw) and not self._is_heading(segment)
            place = headings if heads else reading.rejects
            place.append(Reject(RejectReason.MALFORMED, segment.raw))

    def _nothing(self, segment: Segment) -> bool:
        """`PERSON: None`, `Entities: None`; a span `None` that the text has is one."""
        said = segment.parts[-1] if segment.parts else ""
        return len(segment.parts) == 1 and said not in self.text and says_none(said, self.labels)

    def _is_heading(self, segment: Segment) -> bool:
        return segment.label is None and self.labels.find(segment.raw) is not None

    def _columns(self, line: str) -> list[str]:
        """The labels of a table that has a column for each: `| PERSON | ORG |`."""
        if "|" not in line or self.segments.arity != 1:
            return []
        named = cells(line)
        labels = [label for cell in named if (label := self.labels.find(cell))]
        columns = len(labels) == len(named) > 1 and not all(cell in self.text for cell in named)
        return labels if columns else []

    def _row(self, line: str, columns: list[str], reading: Reading) -> bool:
        """Whether a line is a row of such a table. Its items are then taken."""
        row = cells(line)
        if "|" not in line or len(row) != len(columns):
            return False
        for label, cell in zip(columns, row, strict=True):
            item = self.segments.under(label, cell, cell)
            if not item.good and says_none(cell, self.labels):
                reading.none_stated = True
            elif item.parts and (item.good or not marks.empty(cell)):
                reading.candidates.append(Candidate(label, item.parts, item.raw))
        return True

    def _named(self, line: str) -> tuple[int, int, int] | None:
        """The columns of type, head and tail, of a table that names them."""
        if self.segments.arity == 1 or not ("|" in line or "\t" in line):
            return None
        return roles.columns([marks.bare(cell) for cell in cells(line)])

    def _relation(self, line: str, table: tuple[int, int, int], reading: Reading) -> bool:
        """Whether a line is a row of such a table. Its item is then taken."""
        row = cells(line)
        if max(table) >= len(row) or (label := self.labels.find(row[table[0]])) is None:
            return False
        written = row[table[1]], row[table[2]]
        head, tail = (self.segments.barest(part) or marks.unwrapped(part) for part in written)
        if head and tail and not self.taken_back:
            reading.candidates.append(Candidate(label, (head, tail), line.strip()))
        else:
            reading.rejects.append(Reject(RejectReason.MALFORMED, line.strip()))
        return True

    def _below(self, line: str, heading: Segment, reading: Reading) -> bool:
        """Whether a line belongs to the heading above it. Its item is then taken."""
        label = self.labels.find(heading.raw)
        written = line.strip()
        if label is None or (self.labels.find(written) and written not in self.text):
            return False
        item = self.segments.under(label, written, written)
        if not item.good and any(s.good for s in linear.cut(line, self.segments)):
            return False
        if not item.good and says_none(written, self.labels):
            reading.none_stated = True
        elif item.parts and (item.good or marks.listed(written)):
            if self.taken_back:
                reading.rejects.append(Reject(RejectReason.MALFORMED, item.raw))
            else:
                self._add(label, item, reading)
        else:
            return False
        return True

    def _add(self, label: str, segment: Segment, reading: Reading) -> None:
        """The items of a segment."""
        size = self.segments.arity if len(segment.parts) > 1 else 1
        for at in range(0, len(segment.parts), size):
            parts = segment.parts[at : at + size]
            reading.candidates.append(Candidate(label, parts, segment.raw))
        if segment.good and segment.rest:
            left = self.segments.left_out(segment)
            reading.rejects += (Reject(RejectReason.MALFORMED, piece) for piece in left)
