"""Each format as a function: a stream into documents and refusals, numbered from 1.

Whatever is read again from `start` has the same numbers: they are the positions to resume at.
"""

from __future__ import annotations

import codecs
import csv
import re
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from db.jobs import NewInputError
from worker.ingest import Read, document_of, read_jsonl
from worker.sources.mapping import DEFAULT, Mapping, as_json

BATCH_ROWS = 512
COPIED = 1 << 20

Reader = Callable[[BinaryIO, str, Mapping, int, int], Iterator[Read]]


class UnreadableError(Exception):
    """The rest of a source cannot be read; the message says why."""


def mapped(
    row: dict[str, Any], name: str | None, number: int, mapping: Mapping, limit: int
) -> Read:
    """A row of typed values as a document."""
    try:
        return document_of(as_json(mapping.row(row)), name, number, limit)
    except ValueError as error:
        return NewInputError(name, number, f"has a value that JSON has not ({error})")


def jsonl(stream: BinaryIO, name: str, mapping: Mapping, limit: int, start: int) -> Iterator[Read]:
    """One object a line."""
    return read_jsonl(stream, name, limit, mapping.row if mapping != DEFAULT else None, start)


def delimited(delimiter: str) -> Reader:
    """CSV with a header; rows are counted without it."""

    def read(
        stream: BinaryIO, name: str, mapping: Mapping, limit: int, start: int
    ) -> Iterator[Read]:
        bound = 4 * limit + 65_536
        csv.field_size_limit(max(csv.field_size_limit(), bound))
        rows = csv.reader(_lines(stream, bound), delimiter=delimiter, strict=True)
        try:
            header = [column.strip() for column in next(rows, [])]
        except csv.Error as error:
            raise UnreadableError(f"is not CSV ({error})") from error
        if mapping.text not in header:
            raise UnreadableError(f"it has no column '{mapping.text}'")
        if len(set(header)) < len(header):
            raise UnreadableError("its header repeats a column")
        number = 0
        while True:
            number += 1
            try:
                row = next(rows, None)
            except csv.Error as error:
                if number > start:
                    yield NewInputError(name, number, f"is not CSV ({error})")
                continue
            if row is None:
                return
            if number <= start:
                continue
            if not row:
                yield NewInputError(name, number, "is empty")
            elif len(row) != len(header):
                reason = f"has {len(row)} columns, the header {len(header)}"
                yield NewInputError(name, number, reason)
            else:
                found = dict(zip(header, row, strict=True))
                yield document_of(mapping.row(found), name, number, limit)

    return read


def _lines(stream: BinaryIO, bound: int) -> Iterator[str]:
    first = True
    while line := stream.readline(bound + 1):
        if len(line) > bound:
            raise UnreadableError(f"a line is longer than {bound} bytes")
        try:
            yield line.decode("utf-8-sig" if first else "utf-8")
        except UnicodeDecodeError as error:
            raise UnreadableError(f"a line is not UTF-8 (byte {error.start + 1})") from error
        first = False


def parquet(
    stream: BinaryIO, name: str, mapping: Mapping, limit: int, start: int
) -> Iterator[Read]:
    """Batch by batch; what cannot be sought in goes to a temporary file first."""
    import pyarrow as pa

    try:
        yield from _parquet(stream, name, mapping, limit, start)
    except (pa.ArrowException, ValueError) as error:  # damaged, or times that Python has not
        raise UnreadableError(str(error)) from error


def _parquet(
    stream: BinaryIO, name: str, mapping: Mapping, limit: int, start: int
) -> Iterator[Read]:
    import pyarrow.parquet as pq

    with tempfile.TemporaryFile() as spool:
        if not stream.seekable():
            while piece := stream.read(COPIED):
                spool.write(piece)
            spool.seek(0)
        file = pq.ParquetFile(stream if stream.seekable() else spool, buffer_size=COPIED)
        names = file.schema_arrow.names
        if mapping.text not in names:
            raise UnreadableError(f"it has no column '{mapping.text}'")
        columns = names
        if mapping.metadata is not None:
            columns = [n for n in names if n in (mapping.text, mapping.id, *mapping.metadata)]
        number = 0
        groups: list[int] = []
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if not groups and number + rows <= start:
                number += rows
            else:
                groups.append(group)
        for batch in file.iter_batches(BATCH_ROWS, row_groups=groups, columns=columns):
            if number + batch.num_rows <= start:
                number += batch.num_rows
                continue
            for row in batch.to_pylist():
                number += 1
                if number > start:
                    yield mapped(row, name, number, mapping, limit)


def whole(extract: Callable[[str], str]) -> Reader:
    """One document a file; its number is 1."""

    def read(
        stream: BinaryIO, name: str, mapping: Mapping, limit: int, start: int
    ) -> Iterator[Read]:
        if start:
            return
        bound = 12 * limit + 65_536
        raw = stream.read(bound + 1)
        if len(raw) > bound:
            yield NewInputError(name, 1, f"is longer than {limit} characters")
            return
        try:
            text = extract(_decoded(raw))
        except UnicodeDecodeError as error:
            yield NewInputError(name, 1, f"is not UTF-8 (byte {error.start + 1})")
            return
        except LookupError as error:
            yield NewInputError(name, 1, f"is not UTF-8 ({error})")
            return
        if not text.strip():
            yield NewInputError(name, 1, "is empty")
        else:
            yield document_of({"text": text, "id": name}, name, 1, limit)

    return read


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        declared = re.search(rb"<meta[^>]+charset=[\"']?([\w-]+)", raw[:2048], re.IGNORECASE)
        if not declared:
            raise
        return raw.decode(codecs.lookup(declared[1].decode()).name)
