"""CoNLL columns: a token with its tag (BIO, IOB1, BIOES, BILOU) on each line, a blank line between
sentences.

    OPEC    B-ORGANISATION
    cut     O

The tag schemes need not be distinguished, as one rule (that of conlleval) reads them all: `B-X`,
`S-X` and `U-X` begin a mention; `I-X`, `E-X` and `L-X` continue a mention of X that is open, or
begin one if there is none; `E-X`, `L-X`, `S-X` and `U-X` end it. So `I-X` after `O` begins a
mention, as in IOB1, and no sequence of tags is wrong.

A row is a sentence: its tokens, joined by single spaces.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from ruie.errors import UsageError
from ruie.formats import checks
from ruie.formats.files import lines
from ruie.formats.row import AnnotatedRow, Place, Problem, RowError, RowOrProblem
from ruie.records import Item, Task

TAG = re.compile(r"O|[BIESLU]-.+")
BOUNDARY = "-DOCSTART-"

Line = tuple[int, str | Problem]


def read_conll(path: Path, token: int = 1, tag: int = -1) -> Iterator[RowOrProblem]:
    """The sentences of a file, and the first problem of each one that is wrong.

    token, tag: the columns, from 1 at the left or from -1 at the right. Raises `AnnotationError`
    if the file cannot be read, `UsageError` for a column 0.
    """
    if not token or not tag:
        raise UsageError("There is no column 0.", "Columns count from 1, and from -1 at the end.")
    table = _Table(list(lines(path)), token, tag)
    for boundary, group in groupby(table.lines, table.is_boundary):
        if boundary:
            continue
        place = Place(str(path))
        tokens: list[tuple[str, str]] = []
        first = 0
        try:
            for number, line in group:
                place = Place(str(path), number)
                if isinstance(line, Problem):
                    raise RowError(line.what, line.hint)
                if not table.is_comment(line):
                    tokens.append(table.token(line))
                    first = first or number
            place = Place(str(path), first)
            if tokens:
                yield _row(tokens, place)
        except RowError as error:
            yield error.at(place)


def decode(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """The mentions of a sequence of tags: (type, first token, token after the last), in order."""
    mentions: list[tuple[str, int, int]] = []
    kind, start = "", 0  # of the open mention
    for at, tag in enumerate([*tags, "O"]):
        prefix, _, label = tag.partition("-")
        continues = prefix in ("I", "E", "L") and label == kind
        if kind and not continues:
            mentions.append((kind, start, at))
            kind = ""
        if label and not continues:
            kind, start = label, at
        if prefix in ("E", "L", "S", "U"):
            mentions.append((kind, start, at + 1))
            kind = ""
    return mentions


def columns(line: str) -> list[str]:
    """The cells of a line: separated by tabs if it has any, else by spaces."""
    if "\t" in line:
        return [cell.strip(" ") for cell in line.rstrip("\t ").split("\t")]
    return re.split(" +", line.strip(" "))


class _Table:
    """A file's lines as columns: which of them are read, and how many most lines have."""

    def __init__(self, listed: list[Line], token: int, tag: int) -> None:
        self.lines = listed
        self.at = [n - 1 if n > 0 else n for n in (token, tag)]
        self.least = max(2, abs(token), abs(tag))
        self.width = self._usual((BOUNDARY, "#")) or self._usual((BOUNDARY,))

    def _usual(self, excluded: tuple[str, ...]) -> int:
        """The number of columns of most lines that do not begin with one of `excluded`; 0 if
        none."""
        widths = Counter(
            len(columns(line))
            for _, line in self.lines
            if isinstance(line, str) and line.strip("\t ") and not line.startswith(excluded)
        )
        return widths.most_common(1)[0][0] if widths else 0

    @staticmethod
    def is_boundary(numbered: Line) -> bool:
        """Whether a line separates sentences."""
        line = numbered[1]
        return isinstance(line, str) and (not line.strip("\t ") or line.startswith(BOUNDARY))

    def is_comment(self, line: str) -> bool:
        """Whether a line begins with # and is not a token such as `#` or `#tag` with its
        columns."""
        if not line.startswith("#"):
            return False
        cells = columns(line)
        fits = len(cells) == self.width >= self.least
        return not fits or not TAG.fullmatch(cells[self.at[1]])

    def token(self, line: str) -> tuple[str, str]:
        """A token and its tag. Raises `RowError`."""
        cells = columns(line)
        if len(cells) < self.least or len(cells) != self.width:
            usual = f"most lines have {self.width}" if self.width >= self.least else ""
            raise RowError(
                f"the line has {len(cells)} column{'s' * (len(cells) > 1)}, "
                + (usual or f"fewer than the {self.least} that are needed"),
                "Separate columns by tabs or spaces; the token is the first, the tag the last.",
            )
        token, tag = cells[self.at[0]], cells[self.at[1]]
        if not token:
            raise RowError(
                "the token is empty", "Write a token, or a blank line between sentences."
            )
        if not TAG.fullmatch(tag):
            raise RowError(
                f"{checks.short(tag)} is not a tag",
                "A tag is O, or one of B, I, E, S, L, U with - and a type, as in B-PERSON.",
            )
        prefix, dash, kind = tag.partition("-")
        return token, f"{prefix}-{checks.label(kind, 'tag')}" if dash else tag


def _row(tokens: list[tuple[str, str]], place: Place) -> AnnotatedRow:
    text = checks.checked_text(" ".join(token for token, _ in tokens), "text")
    starts = [0]
    for token, _ in tokens:
        starts.append(starts[-1] + len(token) + 1)
    items = tuple(
        Item(kind, (checks.span(text, starts[a], starts[b] - 1),))
        for kind, a, b in decode([tag for _, tag in tokens])
    )
    return AnnotatedRow(str(place.line), text, {Task.NER: items}, (), place)
