"""Parquet, batch by batch; a stream that is not seekable is copied to a temporary file first."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
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
        file = pq.ParquetFile(
            stream if stream.seekable() else spool, buffer_size=READ_BYTES, pre_buffer=False
        )
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
        for batch in file.iter_batches(at_a_time, row_groups=groups, columns=columns):
            if number + batch.num_rows <= start:
                number += batch.num_rows
                continue
            refused = _too_long(batch, mapping, limit)
            step = 1 if refused else batch.num_rows
            for first in range(0, batch.num_rows, step):
                if first in refused:
                    number += 1
                    if number > start:
                        yield NewInputError(name, number, *refused[first])
                    continue
                for row in _python_rows(batch.slice(first, step)):
                    number += 1
                    if number <= start:
                        continue
                    if isinstance(row, str):
                        yield NewInputError(name, number, row)
                    else:
                        yield typed_document(row, name, number, mapping, limit)


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


def _too_long(batch: Any, mapping: ColumnMapping, limit: int) -> dict[int, tuple[str, str | None]]:
    """Rows with a value that is too long, by index: the reason, and the beginning of the text. They
    are found before a value becomes a Python object, which takes as much memory again."""
    import pyarrow as pa
    import pyarrow.compute as pc

    too_long: dict[int, tuple[str, str | None]] = {}
    for column, values in zip(batch.schema.names, batch.columns, strict=True):
        kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)
        if not any(is_kind(values.type) for is_kind in kinds):
            continue
        sizes = pc.binary_length(values)
        if (pc.max(sizes).as_py() or 0) <= 4 * limit:
            continue
        for index, size in enumerate(sizes.to_pylist()):
            if (size or 0) <= 4 * limit:
                continue
            if column == mapping.text and not pa.types.is_binary(values.type):
                one = values.slice(index, 1)
                chars = pc.utf8_length(one)[0].as_py()
                begin = pc.utf8_slice_codeunits(one, 0, EXCERPT_CHARS)[0].as_py()
                too_long[index] = too_many_characters(chars, limit), begin
            else:
                too_long.setdefault(index, (f"its '{column}' {too_many_bytes(size, limit)}", None))
    return too_long
