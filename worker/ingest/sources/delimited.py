"""CSV and TSV with a header. Each row is cut out and parsed by itself, so that one that cannot be
read (its quotes, its encoding, its size) does not affect the others."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ruie.db.jobs import NewInputError
from ruie.worker.ingest.documents import (
    DocumentOrError,
    excerpt,
    not_utf8,
    to_document,
    too_many_bytes,
)
from ruie.worker.ingest.refusal import UnreadableError
from ruie.worker.ingest.sources.delimited_rows import Dialect, Row, Rows, well_formed
from ruie.worker.ingest.sources.formats import Reader
from ruie.worker.ingest.sources.mapping import ColumnMapping

_TSV_CELL = re.compile(r'"((?:[^"]|"")*+)"(?=\t|\Z)|([^\t]*+)')


@dataclass(frozen=True, slots=True)
class _Table:
    """How the rows of one source are read."""

    name: str
    header: list[str]
    cells: Callable[[bytes], list[str]]
    mapping: ColumnMapping
    limit: int

    def document(self, row: Row, number: int) -> DocumentOrError:
        if not row.whole:
            return self._refused(row, number, too_many_bytes(row.size, self.limit))
        try:
            cells = self.cells(row.raw)
        except UnicodeDecodeError as error:
            return self._refused(row, number, not_utf8(error))
        except csv.Error as error:
            if "field larger" in str(error):
                return self._refused(row, number, too_many_bytes(len(row.raw), self.limit))
            return self._refused(row, number, f"is not CSV ({error})")
        if not cells:
            return NewInputError(self.name, number, "is empty")
        if len(cells) != len(self.header):
            reason = f"has {len(cells)} columns, the header {len(self.header)}"
            return self._refused(row, number, reason)
        named = dict(zip(self.header, cells, strict=True))
        return to_document(self.mapping.rename(named), self.name, number, self.limit)

    def _refused(self, row: Row, number: int, reason: str) -> NewInputError:
        if row.lines > 1:
            reason += f"; it has {row.lines:,} lines"
        return NewInputError(self.name, number, reason, excerpt(row.raw))

    def dialect(self, delimiter: bytes) -> Dialect:
        text = self.header.index(self.mapping.text)
        plain = well_formed(delimiter)

        def split(raw: bytes) -> list[str]:
            try:
                return self.cells(raw)
            except (UnicodeDecodeError, csv.Error):
                return []

        def fits(raw: bytes) -> bool:
            return len(split(raw)) == len(self.header)

        def document(line: bytes) -> bool:
            # of a single column every line is a row
            if len(self.header) == 1 or not plain(line):
                return False
            cells = split(line)
            return len(cells) == len(self.header) and bool(cells[text].strip())

        return Dialect(fits, document, literal=delimiter == b"\t")


def delimited(delimiter: str) -> Reader:
    """CSV or TSV with a header; rows are numbered without it."""
    cells = _tsv_cells if delimiter == "\t" else _csv_cells

    def read(
        stream: BinaryIO, name: str, mapping: ColumnMapping, limit: int, start: int
    ) -> Iterator[DocumentOrError]:
        # the csv module holds 4 bytes for each character of a field, whatever the script
        csv.field_size_limit(max(csv.field_size_limit(), limit))
        rows = Rows(stream, delimiter.encode(), 4 * limit + 65_536)
        every = iter(rows)
        header = _header(next(every, Row(b"", 0)), cells, mapping)
        table = _Table(name, header, cells, mapping, limit)
        rows.dialect = table.dialect(delimiter.encode())
        for number, row in enumerate(every, start=1):
            if number > start:
                yield table.document(row, number)

    return read


def _header(row: Row, cells: Callable[[bytes], list[str]], mapping: ColumnMapping) -> list[str]:
    if not row.whole:
        raise UnreadableError(f"its header has {row.size} bytes")
    try:
        header = [column.strip() for column in cells(row.raw)]
    except UnicodeDecodeError as error:
        raise UnreadableError(f"its header {not_utf8(error)}") from error
    except csv.Error as error:
        raise UnreadableError(f"is not CSV ({error})") from error
    if mapping.text not in header:
        raise UnreadableError(f"it has no column '{mapping.text}'")
    if len(set(header)) < len(header):
        raise UnreadableError("its header repeats a column")
    return header


def _csv_cells(row: bytes) -> list[str]:
    return next(csv.reader([row.decode()], strict=True), [])


def _tsv_cells(row: bytes) -> list[str]:
    """A quote means quoting only where it closes its cell; elsewhere it is a character."""
    text = row.decode().removesuffix("\n").removesuffix("\r")
    cells: list[str] = []
    at = 0 if text else 1
    while at <= len(text):
        match = _TSV_CELL.match(text, at)
        assert match is not None  # it matches an empty cell too
        cells.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        if len(cells[-1]) > csv.field_size_limit():
            raise csv.Error("field larger than the limit")
        at = match.end() + 1
    return cells
