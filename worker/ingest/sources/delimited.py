"""CSV and TSV with a header. Each row is cut out and parsed by itself, so that one that cannot be
read (its quotes, its encoding, its size) does not affect the others."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ruie.db.jobs import NewInputError
from ruie.worker.ingest.documents import (
    READ_BYTES,
    DocumentOrError,
    excerpt,
    to_document,
    too_many_bytes,
)
from ruie.worker.ingest.sources.formats import Reader, UnreadableError
from ruie.worker.ingest.sources.mapping import ColumnMapping

# the state of the scanner after some bytes of a row
_START, _PLAIN, _QUOTED, _CLOSING = range(4)


@dataclass(frozen=True, slots=True)
class _TooLong:
    size: int
    excerpt: str


def delimited(delimiter: str) -> Reader:
    """CSV with a header; rows are numbered without it."""

    def read(
        stream: BinaryIO, name: str, mapping: ColumnMapping, limit: int, start: int
    ) -> Iterator[DocumentOrError]:
        # the csv module holds 4 bytes for each character of a field, whatever the script
        csv.field_size_limit(max(csv.field_size_limit(), limit))
        rows = _rows(stream, delimiter.encode(), 4 * limit + 65_536)
        header = _header(next(rows, b""), delimiter, mapping)
        for number, row in enumerate(rows, start=1):
            if number > start:
                yield _document(row, header, delimiter, name, number, mapping, limit)

    return read


def _header(row: bytes | _TooLong, delimiter: str, mapping: ColumnMapping) -> list[str]:
    if isinstance(row, _TooLong):
        raise UnreadableError(f"its header has {row.size} bytes")
    try:
        header = [column.strip() for column in _cells(row, delimiter)]
    except UnicodeDecodeError as error:
        raise UnreadableError(f"its header is not UTF-8 (byte {error.start + 1})") from error
    except csv.Error as error:
        raise UnreadableError(f"is not CSV ({error})") from error
    if mapping.text not in header:
        raise UnreadableError(f"it has no column '{mapping.text}'")
    if len(set(header)) < len(header):
        raise UnreadableError("its header repeats a column")
    return header


def _document(
    row: bytes | _TooLong,
    header: list[str],
    delimiter: str,
    name: str,
    number: int,
    mapping: ColumnMapping,
    limit: int,
) -> DocumentOrError:
    if isinstance(row, _TooLong):
        return NewInputError(name, number, too_many_bytes(row.size, limit), row.excerpt)
    try:
        cells = _cells(row, delimiter)
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 (byte {error.start + 1})"
        return NewInputError(name, number, reason, excerpt(row))
    except csv.Error as error:
        reason = f"is not CSV ({error})"
        if "field larger" in str(error):
            reason = too_many_bytes(len(row), limit)
        return NewInputError(name, number, reason, excerpt(row))
    if not cells:
        return NewInputError(name, number, "is empty")
    if len(cells) != len(header):
        reason = f"has {len(cells)} columns, the header {len(header)}"
        return NewInputError(name, number, reason, excerpt(row))
    return to_document(mapping.rename(dict(zip(header, cells, strict=True))), name, number, limit)


def _cells(row: bytes, delimiter: str) -> list[str]:
    return next(csv.reader([row.decode()], delimiter=delimiter, strict=True), [])


def _rows(stream: BinaryIO, delimiter: bytes, bound: int) -> Iterator[bytes | _TooLong]:
    """The lines of each row joined; of a row over the bound, only its size and excerpt."""
    first = True
    while line := stream.readline(READ_BYTES):
        if first:
            line, first = line.removeprefix(b"\xef\xbb\xbf"), False
        if b'"' not in line and line.endswith(b"\n"):
            yield line
            continue
        state, size, held = _after(line, _START, delimiter), len(line), [line]
        while state == _QUOTED or not line.endswith(b"\n"):
            if not (line := stream.readline(READ_BYTES)):
                break
            size += len(line)
            if size <= bound:
                held.append(line)
            else:
                del held[1:]
            state = _after(line, state, delimiter)
        yield b"".join(held) if size <= bound else _TooLong(size, excerpt(held[0]))


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
