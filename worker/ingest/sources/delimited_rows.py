"""CSV and TSV cut into rows. A quoted cell may have several lines, so a quote that is never closed,
or badly, would take what follows into its row; here it costs its line, or a bounded number of them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from ruie.worker.ingest.documents import READ_BYTES

MAX_LINES = 50_000
"""Lines of one row; where more would belong to it, the row ends there."""
BEGINNING = 1024
"""Bytes that are kept of what is too long."""
OWN_ROWS = 0.9
"""If this share of the lines after a bad quote are rows by themselves, they are rows;"""
FEWEST = 3
"""but not if there are fewer: a line of prose may have as many commas as a row."""

# the state of the scanner after some bytes of a row
_START, _PLAIN, _QUOTED, _CLOSING = range(4)


class Row(NamedTuple):
    """raw: all of it, or of a row over the bound its beginning. size: bytes."""

    raw: bytes
    size: int
    lines: int = 1

    @property
    def whole(self) -> bool:
        """Whether `raw` is all of it."""
        return len(self.raw) == self.size


class Dialect(NamedTuple):
    """What makes a row, once the header is known. fits: whether bytes that may have several lines
    are one good row. document: whether a line by itself is a row with a text. literal: whether a
    quote that is not well closed is a character, as in TSV, rather than a mistake, as in CSV."""

    fits: Callable[[bytes], bool]
    document: Callable[[bytes], bool]
    literal: bool


class Rows:
    """The rows of a stream, the header first; `dialect` is set before the next one is read."""

    def __init__(self, stream: BinaryIO, delimiter: bytes, bound: int) -> None:
        self.dialect = Dialect(lambda _: True, lambda _: False, False)
        self._stream = stream
        self._delimiter = delimiter
        self._bound = bound
        self._first = True
        self._back: deque[tuple[bytes, bool]] = deque()
        """Lines that were read ahead, and whether each is certain to be a row by itself: so that no
        line is read ahead twice over."""

    def __iter__(self) -> Iterator[Row]:
        while True:
            alone = bool(self._back) and self._back[0][1]
            line, size, state = self._line(_START)
            if not line:
                return
            yield Row(line, size) if state != _QUOTED or alone else self._several(line, size, state)

    def _several(self, first: bytes, size: int, state: int) -> Row:
        """A row whose first line ends inside a quoted cell."""
        held, lines, total = [first], 1, size
        while state == _QUOTED and lines < MAX_LINES:
            line, size, state = self._line(state)
            if not line:
                break
            lines, within = lines + 1, total <= self._bound
            total += size
            if not within:
                continue
            held.append(line)
            whole = len(line) == size  # else it is only its beginning
            if whole and self.dialect.literal and self.dialect.document(line):
                return self._only_first(held)
            if total > self._bound and whole and self._are_rows(held[1:]):
                return self._only_first(held)
        if total > self._bound:
            return Row(first, total, lines)
        raw = b"".join(held)
        if state != _QUOTED and self.dialect.fits(raw):
            return Row(raw, total, lines)
        if self.dialect.literal or self._are_rows(held[1:]):
            return self._only_first(held)
        return Row(raw, total, lines)

    def _are_rows(self, lines: list[bytes]) -> bool:
        """Whether the lines that a quoted cell took are rows of their own. The last may begin a
        row of several lines."""
        if len(lines) < FEWEST:
            return False
        rows = [self.dialect.document(line) for line in lines]
        if not rows[-1]:
            rows.pop()
        return sum(rows) >= OWN_ROWS * len(rows)

    def _only_first(self, held: list[bytes]) -> Row:
        """The first line as a row; the others are read again, each by itself but for the last."""
        again = [(line, True) for line in held[1:-1]] + [(line, False) for line in held[1:][-1:]]
        self._back.extendleft(reversed(again))
        return Row(held[0], len(held[0]))

    def _line(self, state: int) -> tuple[bytes, int, int]:
        """The next line, its size, and the state after it; of a line over the bound, its
        beginning."""
        if self._back:
            line = self._back.popleft()[0]
            return line, len(line), _after(line, state, self._delimiter)
        piece = self._stream.readline(READ_BYTES)
        if self._first:
            piece, self._first = piece.removeprefix(b"\xef\xbb\xbf"), False
        if b'"' not in piece and piece.endswith(b"\n"):
            return piece, len(piece), state
        held, size, state = [piece], len(piece), _after(piece, state, self._delimiter)
        while piece and not piece.endswith(b"\n"):
            piece = self._stream.readline(READ_BYTES)
            size += len(piece)
            if size <= self._bound:
                held.append(piece)
            else:
                del held[1:]
            state = _after(piece, state, self._delimiter)
        return b"".join(held) if size <= self._bound else held[0][:BEGINNING], size, state


def well_formed(delimiter: bytes) -> Callable[[bytes], bool]:
    """Whether a line has only cells that are quoted as a whole or have no quote (RFC 4180)."""
    cell = rb'(?:"(?:[^"]|"")*+"|[^"\r\n%b]*+)' % delimiter
    row = re.compile(cell + rb"(?:%b" % delimiter + cell + rb")*+\r?\n?")
    return lambda line: row.fullmatch(line) is not None


def _after(piece: bytes, state: int, delimiter: bytes) -> int:
    """The state after a piece of a row, by the csv module's rules: a quote opens a quoted field
    only at its beginning, and two of them inside it stand for one."""
    at = 0
    while at < len(piece):
        if state == _START:
            opens = piece[at : at + 1] == b'"'
            state, at = (_QUOTED, at + 1) if opens else (_PLAIN, at)
        elif state == _PLAIN:
            at = piece.find(delimiter + b'"', at)
            if at < 0:
                return _START if piece.endswith(delimiter) else _PLAIN
            state, at = _QUOTED, at + 2
        elif state == _QUOTED:
            at = piece.find(b'"', at) + 1
            if not at:
                return _QUOTED
            state = _CLOSING
        elif piece[at : at + 1] == b'"':
            state, at = _QUOTED, at + 1
        else:
            state = _PLAIN
    return state
