"""A brat document divided into rows, with the annotations of each row."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

from ruie.formats import checks
from ruie.formats.row import AnnotatedRow, Place, Problem, RowError, RowOrProblem
from ruie.formats.standoff import Link, Mention, Range, Standoff
from ruie.records import Item, Span, Task

_ONE_ROW = "Correct it, or read whole documents as rows (--whole-documents)."
_CORRECT = "Correct it; the rows that it may be in are left out."

MAX_SEARCHED = 1_000_000_000
"""Characters of a document that are looked through for mentions which are not at their offsets, all
together."""


class BratDocument:
    """A text with its standoff annotations. whole: the text is one row; else each line is."""

    def __init__(self, ann: Path, name: str, standoff: Standoff, source: str, whole: bool) -> None:
        self.ann, self.txt, self.name = ann, ann.with_suffix(".txt"), name
        self.standoff = standoff
        self.text = _as_counted(source, standoff.mentions.values())
        self.bounds = _bounds(self.text, whole)  # of each row: start and end in the text, and line
        self.searched = 0  # characters, for mentions that are not at their offsets
        self.left_out: set[int] = set()  # rows
        self.after: dict[int, int] = {}  # of a row that is left out, a later one that may not be
        self.problems: list[Problem] = []
        self.ranges: dict[str, Range] = {}  # of each mention in the text, by id
        self.triggers = {name: event.trigger for name, event in standoff.events.items()}
        marked = set(self.triggers.values())
        self.entities = [name for name in standoff.mentions if name not in marked]

    def annotates(self, task: Task) -> bool:
        """Whether there is an annotation of the task."""
        kinds = {
            Task.NER: self.entities,
            Task.RE: self.standoff.relations,
            Task.ED: self.standoff.events,
        }
        return bool(kinds.get(task))

    def rows(self, tasks: Collection[Task]) -> Iterator[RowOrProblem]:
        """The problems, then the rows that are left. Called once."""
        for line, error in self.standoff.errors:
            self._leave_out(line, error, [])
        for name, mention in self.standoff.mentions.items():
            self._locate(name, mention)
        for link in (*self.standoff.relations.values(), *self.standoff.events.values()):
            self._check(link)
        yield from self.problems
        names: defaultdict[int, list[str]] = defaultdict(list)
        for name in (*self.entities, *self.standoff.relations, *self.standoff.events):
            if (range_ := self._range_of(name)) and (rows := self._rows_of(range_)):
                names[rows[0].start].append(name)
        for row in range(len(self.bounds)):
            if row not in self.left_out:
                yield self._row(row, names[row], tasks)

    def _leave_out(self, line: int, error: RowError, rows: list[range]) -> None:
        """Leave out `rows`; all rows if it is unknown which are concerned (an empty list)."""
        before = len(self.left_out)
        for among in rows or [range(len(self.bounds))]:
            row = self._next(among.start)
            while row < among.stop:
                self.left_out.add(row)
                self.after[row] = row + 1
                row = self._next(row)
        if new := len(self.left_out) - before:
            place = Place(str(self.ann), line)
            self.problems.append(Problem(place, error.what, error.hint, new))

    def _next(self, row: int) -> int:
        """The first row from this one on that is not left out. What was gone through once is
        skipped afterwards: many annotations may cover the same thousand rows."""
        passed = []
        while (after := self.after.get(row)) is not None:
            passed.append(row)
            row = after
        self.after.update(dict.fromkeys(passed, row))
        return row

    def _rows_of(self, *ranges: Range) -> list[range]:
        """The rows that share a character with each of these ranges that has any."""
        rows = [
            range(
                bisect_right(self.bounds, start, key=lambda bound: bound[1]),
                bisect_left(self.bounds, end, key=lambda bound: bound[0]),
            )
            for start, end in ranges
        ]
        return [among for among in rows if among]

    def _within_a_row(self, range_: Range) -> bool:
        """Whether one row contains all of a range."""
        rows = self._rows_of(range_)
        if not rows or len(rows[0]) > 1:
            return False
        start, end, _ = self.bounds[rows[0].start]
        return start <= range_[0] and range_[1] <= end

    def _locate(self, name: str, mention: Mention) -> None:
        """Determine a mention's range in the text."""
        if not mention.fits(self.text):
            self._repair(name, mention)
            return
        range_ = self.ranges[name] = mention.cover
        if mention.discontinuous(self.text):
            error = RowError(f"{name} is discontinuous, which rows cannot represent", _CORRECT)
            self._leave_out(mention.line, error, self._rows_of(range_))
        elif not self._within_a_row(range_):
            error = RowError(f"{name} extends over the end of a line", _ONE_ROW)
            self._leave_out(mention.line, error, self._rows_of(range_))

    def _repair(self, name: str, mention: Mention) -> None:
        """Locate a mention whose text is not at its offsets, if it occurs only once; else leave out
        the rows that it may be in."""
        start, end = mention.cover
        if mention.text is None:
            error = RowError(f"{name} is at {start}:{end}, which is outside the text", _CORRECT)
            self._leave_out(mention.line, error, self._rows_of((start, end)))
            return
        self.searched += len(self.text)
        if self.searched > MAX_SEARCHED:
            what = f"{name} is not at its offsets, like too many before it to look for all of them"
            self._leave_out(mention.line, RowError(what, _CORRECT), [])
            return
        ranges = [(s.start, s.end) for s in checks.occurrences(self.text, mention.text)]
        what = f"{name} is annotated as {checks.short(mention.text)} at {start}:{end}, "
        if len(ranges) == 1 and len(mention.fragments) == 1:
            self.ranges[name] = ranges[0]
            what += f"but that is at {ranges[0][0]}:{ranges[0][1]}"
            place = Place(str(self.ann), mention.line)
            self.problems.append(
                Problem(place, what, "Correct the offsets if another occurrence is meant.", 0)
            )
            return
        what += f"but that occurs {len(ranges)} times" if ranges else "but that does not occur"
        rows = self._rows_of((start, end), *ranges)
        self._leave_out(mention.line, RowError(what, _CORRECT), rows)

    def _check(self, link: Link) -> None:
        """Leave out the rows of a relation or an event whose parts are missing or in several
        rows."""
        names = [name for _, name in link.arguments] + ([link.trigger] if link.trigger else [])
        ranges = {name: self._range_of(name) for name in names}
        rows = self._rows_of(*(range_ for range_ in ranges.values() if range_))
        missing = [name for name, range_ in ranges.items() if not range_]
        if missing:
            error = RowError(f"it needs {missing[0]}, which is wrong or missing", _CORRECT)
            self._leave_out(link.line, error, rows)
        elif len(set(rows)) > 1 or any(len(among) > 1 for among in rows):
            error = RowError(f"its parts {', '.join(names)} are on different lines", _ONE_ROW)
            self._leave_out(link.line, error, rows)

    def _range_of(self, name: str) -> Range | None:
        """The range of an annotation: of an event that of its trigger, of a relation that of its
        head."""
        if relation := self.standoff.relations.get(name):
            name = relation.arguments[0][1]
        return self.ranges.get(self.triggers.get(name, name))

    def _row(self, row: int, names: list[str], tasks: Collection[Task]) -> AnnotatedRow:
        begin, end, line = self.bounds[row]
        text = self.text[begin:end]

        def span(name: str) -> Span:
            start, stop = self.ranges[self.triggers.get(name, name)]
            return checks.span(text, start - begin, stop - begin)

        standoff = self.standoff
        relations = [standoff.relations[name] for name in names if name in standoff.relations]
        events = [standoff.events[name] for name in names if name in standoff.events]
        gold = {
            Task.NER: tuple(
                Item(standoff.mentions[name].type, (span(name),))
                for name in names
                if name in standoff.mentions
            ),
            Task.RE: tuple(
                Item(link.type, tuple(span(name) for _, name in link.arguments))
                for link in relations
            ),
            Task.ED: tuple(Item(link.type, (span(link.trigger),)) for link in events),
        }
        arguments = tuple(
            tuple(Item(role, (span(name),)) for role, name in link.arguments) for link in events
        )
        return AnnotatedRow(
            f"{self.name}:{line}" if line else self.name,
            text,
            {task: gold[task] for task in tasks},
            arguments,
            Place(str(self.txt), line),
        )


def _as_counted(source: str, mentions: Collection[Mention]) -> str:
    """The text that the offsets fit: programs differ in whether they count a byte order mark, and
    both characters of a Windows line end."""
    bare = source.removeprefix("\ufeff")
    readings = (bare, bare.replace("\r\n", "\n"), source, source.replace("\r\n", "\n"))
    return max(
        dict.fromkeys(readings), key=lambda text: sum(mention.fits(text) for mention in mentions)
    )


def _bounds(text: str, whole: bool) -> list[tuple[int, int, int | None]]:
    """Start and end of each row, and its line number; without line ends, byte order mark and blank
    lines. No line number if the text is one row."""
    bounds: list[tuple[int, int, int | None]] = []
    at = 0
    for number, line in enumerate([text] if whole else text.split("\n"), start=1):
        start = at + line.startswith("\ufeff")
        end = at + len(line.rstrip("\r\n"))
        if text[start:end].strip():
            bounds.append((start, end, None if whole else number))
        at += len(line) + 1
    return bounds
