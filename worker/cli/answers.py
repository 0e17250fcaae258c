"""An answer as CSV, JSON lines or Parquet, row after row: of any size in constant memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from ruie.errors import DatabaseError

if TYPE_CHECKING:
    from ruie.db.query import QueryResult

BATCH = 10_000
"""Rows of a Parquet row group; the types of columns are those of the first."""


def write_csv(answer: QueryResult, out: TextIO) -> None:
    """A head and a line a row."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(answer.rows)


def write_json(answer: QueryResult, out: TextIO) -> None:
    """One object a line."""
    for row in answer.rows:
        named = dict(zip(answer.columns, row, strict=True))
        out.write(json.dumps(named, ensure_ascii=False, default=str) + "\n")


def write_parquet(answer: QueryResult, out: BinaryIO) -> None:
    """A row group for each `BATCH` rows. A column is int64, float64, binary or string.

    Raises DatabaseError where a later value does not fit its column's type.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = list(islice(answer.rows, BATCH))
    kinds = [_kind([row[i] for row in first]) for i in range(len(answer.columns))]
    types = {int: pa.int64(), float: pa.float64(), bytes: pa.binary(), str: pa.string()}
    schema = pa.schema(
        [(name, types[kind]) for name, kind in zip(answer.columns, kinds, strict=True)]
    )
    with pq.ParquetWriter(out, schema) as writer:
        rows = first
        while rows:
            columns = [
                pa.array([_fit(row[i], kind, answer.columns[i]) for row in rows], types[kind])
                for i, kind in enumerate(kinds)
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            rows = list(islice(answer.rows, BATCH))


def _kind(values: Sequence[Any]) -> type:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return float
    return kinds.pop() if len(kinds) == 1 else str


def _fit(value: Any, kind: type, column: str) -> Any:
    if value is None or isinstance(value, kind):
        return value
    if kind is str or (kind is float and isinstance(value, int)):
        return kind(value)
    raise DatabaseError(
        f"The column {column} begins with {kind.__name__} and later has {type(value).__name__}.",
        f"Write CAST({column} AS TEXT), or AS REAL, in the query.",
    )
