"""CoNLL columns: a token a line with its tag (BIO, IOB1, BIOES, BILOU), a blank line between
sentences.

    OPEC    B-ORGANISATION
    cut     O

The tag schemes need not be told apart, as one rule reads them all (that of conlleval): `B-X`,
`S-X` and `U-X` begin a mention; `I-X`, `E-X` and `L-X` go on with a mention of X that is open just
before, and begin one where there is none; `E-X`, `L-X`, `S-X` and `U-X` end it. So `I-X` after `O`
begins a mention, as in IOB1, and no sequence of tags is wrong.

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
from ruie.formats.row import AnnotatedRow, Found, Place, Problem, Wrong
from ruie.records import Item, Task

TAG = re.compile(r"O|[BIESLU]-.+")
BOUNDARY = "-DOCSTART-"

Line = tuple[int, str | Problem]


def read_conll(path: Path, token: int = 1, tag: int = -1) -> Iterator[Found]:
    """The sentences of a file, and a problem for each that is wrong (its first).

    token, tag: the columns, from 1 at the left or from -1 at the right. Raises `AnnotationError`
    if the file cannot be read, `UsageError` for a column 0.
    """
    if not token or not tag:
        raise UsageError("There is no column 0.", "Columns count from 1, and from -1 at the end.")
    sheet = _Sheet(list(lines(path)), token, tag)
    for blank, group in groupby(sheet.lines, sheet.between):
        if blank:
            continue
        place = Place(str(path))
        tokens: list[tuple[str, str]] = []
        first = 0
        try:
            for number, line in group:
                place = Place(str(path), number)
                if isinstance(line, Problem):
                    raise Wrong(line.what, line.hint)
                if not sheet.comment(line):
                    tokens.append(sheet.token(line))
                    first = first or number
            place = Place(str(path), first)
            if tokens:
                yield _row(tokens, place)
        except Wrong as wrong:
            yield wrong.at(place)


def decode(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """The mentions that tags say: (type, first token, token after the last), in order."""
    found: list[tuple[str, int, int]] = []
    kind, start = "", 0  # of the mention that is open
    for at, tag in enumerate([*tags, "O"]):
        prefix, _, label = tag.partition("-")
        goes_on = prefix in ("I", "E", "L") and label == kind
        if kind and not goes_on:
            found.append((kind, start, at))
            kind = ""
        if label and not goes_on:
            kind, start = label, at
        if prefix in ("E", "L", "S", "U"):
            found.append((kind, start, at + 1))
            kind = ""
    return found


def columns(line: str) -> list[str]:
    """The cells of a line: between tabs if it has one, else between spaces."""
    if "\t" in line:
        return [cell.strip(" ") for cell in line.rstrip("\t ").split("\t")]
    return re.split(" +", line.strip(" "))


class _Sheet:
    """A file's lines, read as columns: which ones, and how many there usually are."""

    def __init__(self, listed: list[Line], token: int, tag: int) -> None:
        self.lines = listed
        self.at = [n - 1 if n > 0 else n for n in (token, tag)]
        self.least = max(2, abs(token), abs(tag))
        self.width = self._usual((BOUNDARY, "#")) or self._usual((BOUNDARY,))

    def _usual(self, but: tuple[str, ...]) -> int:
        """How many columns most lines have that do not begin with one of `but`; 0 without any."""
        widths = Counter(
            len(columns(line))
            for _, line in self.lines
            if isinstance(line, str) and line.strip("\t ") and not line.startswith(but)
        )
        return widths.most_common(1)[0][0] if widths else 0

    @staticmethod
    def between(numbered: Line) -> bool:
        """Whether a line parts sentences."""
        line = numbered[1]
        return isinstance(line, str) and (not line.strip("\t ") or line.startswith(BOUNDARY))

    def comment(self, line: str) -> bool:
        """Whether a line begins with # and is no token `#` or `#tag` with its columns."""
        if not line.startswith("#"):
            return False
        cells = columns(line)
        fits = len(cells) == self.width >= self.least
        return not fits or not TAG.fullmatch(cells[self.at[1]])

    def token(self, line: str) -> tuple[str, str]:
        """A token and its tag. Raises `Wrong`."""
        cells = columns(line)
        if len(cells) < self.least or len(cells) != self.width:
            usual = f"most lines have {self.width}" if self.width >= self.least else ""
            raise Wrong(
                f"the line has {len(cells)} column{'s' * (len(cells) > 1)}, "
                + (usual or f"fewer than the {self.least} that are needed"),
                "Columns are parted by tabs or spaces; the token is the first, the tag the last.",
            )
        token, tag = cells[self.at[0]], cells[self.at[1]]
        if not token:
            raise Wrong("the token is empty", "Write a token, or a blank line between sentences.")
        if not TAG.fullmatch(tag):
            raise Wrong(
                f"{checks.short(tag)} is no tag",
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
