"""The result of a query as CSV, JSON lines or Parquet, row by row in constant memory."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from ruie.errors import DatabaseError

if TYPE_CHECKING:
    from ruie.db.query import QueryResult

_FORMULA = re.compile(r"[\s\x00-\x1f\ufeff\u200b-\u200f]*[=+\-@＝＋－＠|%]|[\t\r\n]")
"""How a text begins that one spreadsheet or another takes for a formula."""

GROUP_ROWS = 10_000
"""Rows of a Parquet row group; the types of columns are those of the first group."""


def write_csv(result: QueryResult, out: TextIO, *, spreadsheet: bool = False) -> None:
    """A header, and a line for each row. spreadsheet: texts that a spreadsheet would compute are
    written so that it shows them."""
    plain = csv.writer(out, lineterminator="\n")
    # csv leaves a carriage return unquoted, at which readers would begin a new row
    quoting = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    for row in chain([result.columns], result.rows):
        cells = [_as_text(value) for value in row] if spreadsheet else row
        returns = any(isinstance(value, str) and "\r" in value for value in cells)
        (quoting if returns else plain).writerow(cells)


def _as_text(value: Any) -> Any:
    """A text that would begin a formula, with an apostrophe before it. (OWASP, CSV Injection.)"""
    if isinstance(value, str) and _FORMULA.match(value):
        return "'" + value
    return value


def write_json(result: QueryResult, out: TextIO) -> None:
    """An object on each line."""
    for row in result.rows:
        named = dict(zip(result.columns, row, strict=True))
        out.write(json.dumps(named, ensure_ascii=False, default=str) + "\n")


def write_parquet(result: QueryResult, out: BinaryIO) -> None:
    """A row group for each `GROUP_ROWS` rows. A column is int64, float64, binary or string. Raises
    `DatabaseError` where a later value does not fit its column's type."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = list(islice(result.rows, GROUP_ROWS))
    types = [_type([row[i] for row in first]) for i in range(len(result.columns))]
    arrow = {int: pa.int64(), float: pa.float64(), bytes: pa.binary(), str: pa.string()}
    schema = pa.schema(
        [(name, arrow[type_]) for name, type_ in zip(result.columns, types, strict=True)]
    )
    with pq.ParquetWriter(out, schema) as writer:
        rows = first
        while rows:
            columns = [
                pa.array([_fit(row[i], type_, result.columns[i]) for row in rows], arrow[type_])
                for i, type_ in enumerate(types)
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            rows = list(islice(result.rows, GROUP_ROWS))


def _type(values: Sequence[Any]) -> type:
    types = {type(value) for value in values if value is not None}
    if types == {int, float}:
        return float
    return types.pop() if len(types) == 1 else str


def _fit(value: Any, type_: type, column: str) -> Any:
    if value is None or isinstance(value, type_):
        return value
    if type_ is str or (type_ is float and isinstance(value, int)):
        return type_(value)
    raise DatabaseError(
        f"The column {column} begins with {type_.__name__} and later has {type(value).__name__}.",
        f"Write CAST({column} AS TEXT), or AS REAL, in the query.",
    )
