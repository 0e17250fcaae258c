"""What every reader returns: annotated rows, and the problems of those that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass, field

from ruie.records import Item, Task


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was read. `part` names a part of a file without lines, or of a line."""

    file: str
    line: int | None = None  # counts from 1
    part: str = ""

    def __str__(self) -> str:
        line = f"line {self.line}" if self.line else ""
        return ", ".join(piece for piece in (self.file, line, self.part) if piece)


@dataclass(frozen=True, slots=True)
class AnnotatedRow:
    """One annotated text. `gold` has an entry for each task that was annotated (NER, RE, ED);
    `arguments[i]` belongs to the i-th event, `gold[Task.ED][i]`."""

    id: str
    text: str
    gold: dict[Task, tuple[Item, ...]]
    arguments: tuple[tuple[Item, ...], ...] = ()
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in annotated data. `what` and `hint` are as in `RuieError`."""

    place: Place
    what: str
    hint: str
    rows: int = 1
    """How many rows are left out because of it; 0 if the row was repaired and is used."""

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


RowOrProblem = AnnotatedRow | Problem


class RowError(ValueError):
    """A row cannot be used. Raised and caught within a reader, which turns it into a `Problem`."""

    def __init__(self, what: str, hint: str = "See docs/data.md for the layout.") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def at(self, place: Place) -> Problem:
        return Problem(place, self.what, self.hint)
