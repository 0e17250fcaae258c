"""brat's standoff format: the annotations of an `.ann` file.

    T1	Organisation 0 4	OPEC
    T2	Cut 5 8	cut
    R1	Lowers Arg1:T1 Arg2:T3
    E1	Cut:T2 Who:T1

Text-bound annotations (T), relations (R) and events (E) are read; attributes (A, M),
normalisations (N), notes (#) and equivalences (*) are not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ruie.formats import checks
from ruie.formats.row import RowError

IGNORED = ("A", "M", "N", "#", "*")

_MENTION = re.compile(r"(T\S*)\t(\S+) ([0-9]+ [0-9]+(?:;[0-9]+ [0-9]+)*)(?:\t(.*))?")
_RELATION = re.compile(r"(R\S*)\t(\S+) [^\s:]+:(\S+) [^\s:]+:(\S+)\s*")
_EVENT = re.compile(r"(E\S*)\t([^\s:]+):(\S+)((?: +[^\s:]+:\S+)*)\s*")
_LAYOUT = (
    "Write T1, tab, Type 0 4, tab, text; or R1, tab, Type Arg1:T1 Arg2:T2; or E1, tab, Type:T1."
)

Range = tuple[int, int]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Mention:
    """A text-bound annotation: its fragments, and their text as repeated in the file, if it is."""

    line: int
    type: str
    fragments: tuple[Range, ...]
    text: str | None

    @property
    def cover(self) -> Range:
        """From the first to the last fragment."""
        return self.fragments[0][0], self.fragments[-1][1]

    def fits(self, document: str) -> bool:
        """Whether its offsets are within the document and its text is there."""
        if not all(0 <= a < b <= len(document) for a, b in self.fragments):
            return False
        return self.text is None or self.text in (
            " ".join(document[a:b] for a, b in self.fragments),
            document[slice(*self.cover)].replace("\n", " "),
        )

    def discontinuous(self, document: str) -> bool:
        """Whether there is more than white space between its fragments."""
        between = zip(self.fragments, self.fragments[1:], strict=False)
        return any(document[a[1] : b[0]].strip() or b[0] < a[1] for a, b in between)


@dataclass(frozen=True, slots=True)
class Link:
    """A relation (two arguments) or an event (`trigger`, and arguments in roles)."""

    line: int
    type: str
    arguments: tuple[tuple[str, str], ...]  # (role, the id it refers to)
    trigger: str = ""


@dataclass(slots=True)
class Standoff:
    """The annotations of an `.ann` file by their ids, and the errors of its lines by number."""

    mentions: dict[str, Mention] = field(default_factory=dict)
    relations: dict[str, Link] = field(default_factory=dict)
    events: dict[str, Link] = field(default_factory=dict)
    errors: list[tuple[int, RowError]] = field(default_factory=list)


def parse(source: str) -> Standoff:
    """Read the text of an `.ann` file. Never raises."""
    standoff = Standoff()
    for number, line in enumerate(source.split("\n"), start=1):
        if not line.strip() or line.startswith(IGNORED):
            continue
        try:
            _line(line.removesuffix("\r"), number, standoff)
        except RowError as error:
            standoff.errors.append((number, error))
    return standoff


def _line(line: str, number: int, standoff: Standoff) -> None:
    if match := _MENTION.fullmatch(line):
        name, kind, offsets, text = match.groups()
        fragments = sorted(_range(piece) for piece in offsets.split(";"))
        label = checks.label(kind, "type")
        _put(standoff.mentions, name, Mention(number, label, tuple(fragments), text))
    elif match := _RELATION.fullmatch(line):
        name, kind, head, tail = match.groups()
        ends = (("head", head), ("tail", tail))
        _put(standoff.relations, name, Link(number, checks.label(kind, "type"), ends))
    elif match := _EVENT.fullmatch(line):
        name, kind, trigger, rest = match.groups()
        pairs = [piece.partition(":")[::2] for piece in rest.split()]
        link = Link(number, checks.label(kind, "type"), tuple(_roles(pairs)), trigger)
        _put(standoff.events, name, link)
    else:
        raise RowError(f"{checks.short(line)} is not an annotation of brat", _LAYOUT)


def _put(by_id: dict[str, _T], name: str, value: _T) -> None:
    if name in by_id:
        raise RowError(f"{name} is written twice", "Give each annotation an id of its own.")
    by_id[name] = value


def _range(piece: str) -> Range:
    start, end = piece.split(" ")
    if max(len(start), len(end)) > 12:
        raise RowError(f"offsets {checks.short(piece)} are outside the text", _LAYOUT)
    return int(start), int(end)


def _roles(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Arguments with their roles; brat numbers repeated roles: `Theme`, `Theme2`."""
    written = {role for role, _ in pairs}
    bare = {role: re.sub("[0-9]+$", "", role) for role in written}
    return [
        (checks.label(bare[role] if bare[role] in written else role, "role"), name)
        for role, name in pairs
    ]
