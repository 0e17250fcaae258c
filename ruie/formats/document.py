"""A brat document cut into rows: which annotation belongs to which, and which belongs to none."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

from ruie.formats import checks
from ruie.formats.row import AnnotatedRow, Found, Place, Problem, Wrong
from ruie.formats.standoff import Link, Mention, Range, Standoff
from ruie.records import Item, Span, Task

_ONE_ROW = "Correct it, or read whole documents as rows (--whole-documents)."
_CORRECT = "Correct it; the rows that it may concern are left out."


class Document:
    """One text with its standoff. `whole`: the text is one row; else each line of it is."""

    def __init__(self, ann: Path, name: str, said: Standoff, source: str, whole: bool) -> None:
        self.ann, self.txt, self.name = ann, ann.with_suffix(".txt"), name
        self.said = said
        self.text = _as_counted(source, said.mentions.values())
        self.bounds = _bounds(self.text, whole)  # of each row in the text
        self.lost: set[int] = set()  # rows that are left out
        self.problems: list[Problem] = []
        self.places: dict[str, Range] = {}  # of each mention in the text
        self.triggers = {name: event.trigger for name, event in said.events.items()}
        marked = set(self.triggers.values())
        self.entities = [name for name in said.mentions if name not in marked]

    def annotates(self, task: Task) -> bool:
        """Whether there is an annotation of the task."""
        kinds = {Task.NER: self.entities, Task.RE: self.said.relations, Task.ED: self.said.events}
        return bool(kinds.get(task))

    def rows(self, tasks: Collection[Task]) -> Iterator[Found]:
        """What is wrong, then the rows that are right. Called once."""
        for line, wrong in self.said.wrong:
            self._lose(line, wrong, set())
        for name, mention in self.said.mentions.items():
            self._put(name, mention)
        for link in (*self.said.relations.values(), *self.said.events.values()):
            self._check(link)
        yield from self.problems
        holds: defaultdict[int, list[str]] = defaultdict(list)
        for name in (*self.entities, *self.said.relations, *self.said.events):
            if (place := self._place_of(name)) and (rows := self._touched(place)):
                holds[min(rows)].append(name)
        for row in range(len(self.bounds)):
            if row not in self.lost:
                yield self._row(row, holds[row], tasks)

    def _lose(self, line: int, wrong: Wrong, rows: set[int]) -> None:
        """Leave rows out; all of them where it is not known which."""
        new = (rows or set(range(len(self.bounds)))) - self.lost
        self.lost |= new
        if new:
            place = Place(str(self.ann), line)
            self.problems.append(Problem(place, wrong.what, wrong.hint, len(new)))

    def _touched(self, *places: Range) -> set[int]:
        """The rows that have a character of these places."""
        return {
            row
            for start, end in places
            for row in range(
                bisect_right(self.bounds, start, key=lambda bound: bound[1]),
                bisect_left(self.bounds, end, key=lambda bound: bound[0]),
            )
        }

    def _within(self, place: Range) -> bool:
        """Whether one row has all of a place."""
        return any(
            start <= place[0] and place[1] <= end
            for start, end, _ in (self.bounds[row] for row in self._touched(place))
        )

    def _put(self, name: str, mention: Mention) -> None:
        """Find a mention's place in the text."""
        if not mention.fits(self.text):
            self._mend(name, mention)
            return
        place = self.places[name] = mention.cover
        if mention.broken(self.text):
            wrong = Wrong(f"{name} is in several pieces, but a row's mentions are whole", _CORRECT)
            self._lose(mention.line, wrong, self._touched(place))
        elif not self._within(place):
            wrong = Wrong(f"{name} goes over the end of a line", _ONE_ROW)
            self._lose(mention.line, wrong, self._touched(place))

    def _mend(self, name: str, mention: Mention) -> None:
        """A mention whose text is not at its offsets is where that text stands, if that is one
        place; else the rows that may be meant are left out."""
        start, end = mention.cover
        if mention.said is None:
            wrong = Wrong(f"{name} is at {start}:{end}, which is outside the text", _CORRECT)
            self._lose(mention.line, wrong, self._touched((start, end)))
            return
        found = [(s.start, s.end) for s in checks.occurrences(self.text, mention.said)]
        what = f"{name} says {checks.short(mention.said)} at {start}:{end}, "
        if len(found) == 1 and len(mention.fragments) == 1:
            self.places[name] = found[0]
            what += f"but it stands at {found[0][0]}:{found[0][1]}"
            place = Place(str(self.ann), mention.line)
            self.problems.append(
                Problem(place, what, "Correct the offsets where this is not meant.", 0)
            )
            return
        what += f"but it stands at {len(found)} places" if found else "where it does not stand"
        rows = self._touched((start, end), *found)
        self._lose(mention.line, Wrong(what, _CORRECT), rows)

    def _check(self, link: Link) -> None:
        """Leave out the rows of a relation or an event that has parts in more than one or none."""
        names = [name for _, name in link.arguments] + ([link.trigger] if link.trigger else [])
        places = {name: self._place_of(name) for name in names}
        rows = self._touched(*(place for place in places.values() if place))
        missing = [name for name, place in places.items() if not place]
        if missing:
            wrong = Wrong(f"it needs {missing[0]}, which is wrong or not there", _CORRECT)
            self._lose(link.line, wrong, rows)
        elif len(rows) > 1:
            wrong = Wrong(f"its parts {', '.join(names)} are on different lines", _ONE_ROW)
            self._lose(link.line, wrong, rows)

    def _place_of(self, name: str) -> Range | None:
        """Where an annotation is: an event where its trigger is, a relation where its head is."""
        if relation := self.said.relations.get(name):
            name = relation.arguments[0][1]
        return self.places.get(self.triggers.get(name, name))

    def _row(self, row: int, names: list[str], tasks: Collection[Task]) -> AnnotatedRow:
        begin, end, line = self.bounds[row]
        text = self.text[begin:end]

        def span(name: str) -> Span:
            start, stop = self.places[self.triggers.get(name, name)]
            return checks.span(text, start - begin, stop - begin)

        said = self.said
        relations = [said.relations[name] for name in names if name in said.relations]
        events = [said.events[name] for name in names if name in said.events]
        gold = {
            Task.NER: tuple(
                Item(said.mentions[name].type, (span(name),))
                for name in names
                if name in said.mentions
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
    """The text as the offsets count it: programs differ in whether they count a byte order mark,
    and both characters of a line end of Windows."""
    bare = source.removeprefix("\ufeff")
    readings = (bare, bare.replace("\r\n", "\n"), source, source.replace("\r\n", "\n"))
    return max(
        dict.fromkeys(readings), key=lambda text: sum(mention.fits(text) for mention in mentions)
    )


def _bounds(text: str, whole: bool) -> list[tuple[int, int, int | None]]:
    """Where each row begins and ends, without line ends, byte order mark and blank lines; and the
    number of its line."""
    found: list[tuple[int, int, int | None]] = []
    at = 0
    for number, line in enumerate([text] if whole else text.split("\n"), start=1):
        start = at + line.startswith("\ufeff")
        end = at + len(line.rstrip("\r\n"))
        if text[start:end].strip():
            found.append((start, end, None if whole else number))
        at += len(line) + 1
    return found
