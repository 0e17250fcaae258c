"""Parquet, batch by batch; a stream that is not seekable is copied to a temporary file first."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO

from ruie.db.jobs import NewInputError
from ruie.worker.ingest.documents import (
    EXCERPT_CHARS,
    READ_BYTES,
    DocumentOrError,
    too_many_bytes,
    too_many_characters,
)
from ruie.worker.ingest.refusal import UnreadableError
from ruie.worker.ingest.sources.formats import typed_document
from ruie.worker.ingest.sources.mapping import ColumnMapping

BATCH_ROWS = 512
BATCH_BYTES = 4 << 20
MOST_BYTES = 64 << 20
"""Bytes of one column in a batch, decoded."""


def parquet(
    stream: BinaryIO, name: str, mapping: ColumnMapping, limit: int, start: int
) -> Iterator[DocumentOrError]:
    """One document a row."""
    import pyarrow as pa

    try:
        yield from _rows(stream, name, mapping, limit, start)
    except (
        pa.ArrowException,
        ValueError,
    ) as error:  # damaged, or dates that Python lacks
        raise UnreadableError(str(error)) from error


def _rows(
    stream: BinaryIO, name: str, mapping: ColumnMapping, limit: int, start: int
) -> Iterator[DocumentOrError]:
    import pyarrow.parquet as pq

    with tempfile.TemporaryFile() as spool:
        if not stream.seekable():
            while piece := stream.read(READ_BYTES):
                spool.write(piece)
            spool.seek(0)
        # pre_buffer would hold all row groups that are read
        opened = stream if stream.seekable() else spool
        file = pq.ParquetFile(opened, buffer_size=READ_BYTES, pre_buffer=False)
        names = file.schema_arrow.names
        if mapping.text not in names:
            raise UnreadableError(f"it has no column '{mapping.text}'")
        if repeated := [n for n in names if names.count(n) > 1]:
            raise UnreadableError(f"it has two columns '{repeated[0]}'")
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
        at_a_time = min((_rows_at_a_time(file.metadata.row_group(g)) for g in groups), default=1)
        if at_a_time > 1 and (repeated := _repeated(opened, file, groups, columns, at_a_time)):
            file = _reader(opened, file, repeated)
        for batch in file.iter_batches(at_a_time, row_groups=groups, columns=columns):
            if number + batch.num_rows <= start:
                number += batch.num_rows
                continue
            refused, sizes = _too_long(batch, mapping, limit)
            first = 0
            while first < batch.num_rows:
                if first in refused:
                    number += 1
                    if number > start:
                        yield NewInputError(name, number, *refused[first])
                    first += 1
                    continue
                count = _rows_together(sizes, refused, first)
                for row in _python_rows(batch.slice(first, count)):
                    number += 1
                    if number <= start:
                        continue
                    if isinstance(row, str):
                        yield NewInputError(name, number, row)
                    else:
                        yield typed_document(row, name, number, mapping, limit)
                first += count


def _reader(opened: Any, file: Any, repeated: Sequence[str]) -> Any:
    """The same file, with these columns as indices into a dictionary."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(
        opened,
        metadata=file.metadata,
        read_dictionary=repeated,
        buffer_size=READ_BYTES,
        pre_buffer=False,
    )


def _repeated(
    opened: Any, file: Any, groups: Sequence[int], columns: Sequence[str], at_a_time: int
) -> list[str]:
    """The columns of texts with so long a value in a dictionary that a batch of it would be over
    `MOST_BYTES`. A value that a thousand rows have is stored once there; it is to be kept so until
    a row becomes a document."""
    import pyarrow.compute as pc

    texts = [f.name for f in file.schema_arrow if f.name in columns and _is_text(f.type)]
    reader = _reader(opened, file, texts)
    found: set[str] = set()
    for group in groups:
        # not what is written of each column: where that is damaged, pyarrow ends the process
        if file.metadata.row_group(group).total_byte_size * at_a_time <= MOST_BYTES:
            continue
        for name in sorted({*texts} - found):
            for row in islice(reader.iter_batches(1, row_groups=[group], columns=[name]), 1):
                longest = pc.max(pc.binary_length(row.column(0).dictionary)).as_py() or 0
                if longest * at_a_time > MOST_BYTES:
                    found.add(name)
    return sorted(found)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)
    return any(is_kind(kind) for is_kind in kinds)


def _rows_together(sizes: Any, refused: Collection[int], first: int) -> int:
    """As many rows from `first` on as have `BATCH_BYTES` in all, at least one, and none that is
    refused."""
    count, left = 1, BATCH_BYTES - int(sizes[first])
    while first + count < len(sizes) and first + count not in refused:
        left -= int(sizes[first + count])
        if left < 0:
            break
        count += 1
    return count


def _python_rows(batch: Any) -> Iterator[dict[str, Any] | str]:
    """Each row, or why it is refused: a date of the year 10000, which Python has not, costs the row
    that has it and no other."""
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except Exception:
        for index in range(batch.num_rows):
            row = batch.slice(index, 1)
            try:
                yield row.to_pylist()[0]
            except Exception as error:  # of any class
                yield f"has a value that JSON has not ({_culprit(row)}: {error})"
    else:
        yield from rows


def _culprit(row: Any) -> str:
    for name, values in zip(row.schema.names, row.columns, strict=True):
        try:
            values.to_pylist()
        except Exception:
            return f"'{name}'"
    return "a column"


def _rows_at_a_time(group: Any) -> int:
    """As many as have `BATCH_BYTES`: long texts go in small batches."""
    rows: int = BATCH_BYTES * group.num_rows // max(1, group.total_byte_size)
    return max(1, min(BATCH_ROWS, rows))


def _too_long(
    batch: Any, mapping: ColumnMapping, limit: int
) -> tuple[dict[int, tuple[str, str | None]], Any]:
    """Rows with a value that is too long, by index: the reason, and the beginning of the text. They
    are found before a value becomes a Python object, which takes as much memory again. And the
    bytes of the texts of each row."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    too_long: dict[int, tuple[str, str | None]] = {}
    total = np.zeros(batch.num_rows, dtype=np.int64)
    for column, values in zip(batch.schema.names, batch.columns, strict=True):
        distinct = values.dictionary if pa.types.is_dictionary(values.type) else values
        if not _is_text(distinct.type):
            continue
        sizes = pc.fill_null(pc.binary_length(distinct), 0)
        if distinct is not values:
            sizes = pc.fill_null(sizes.take(values.indices), 0)
        counted = sizes.to_numpy(zero_copy_only=False).astype(np.int64)
        total += counted
        for index in np.flatnonzero(counted > 4 * limit).tolist():
            if column == mapping.text and not pa.types.is_binary(distinct.type):
                one = values.slice(index, 1)
                if distinct is not values:
                    one = distinct.slice(one.indices[0].as_py(), 1)
                chars = pc.utf8_length(one)[0].as_py()
                begin = pc.utf8_slice_codeunits(one, 0, EXCERPT_CHARS)[0].as_py()
                too_long[index] = too_many_characters(chars, limit), begin
            else:
                reason = f"its '{column}' {too_many_bytes(int(counted[index]), limit)}"
                too_long.setdefault(index, (reason, None))
    return too_long, total
