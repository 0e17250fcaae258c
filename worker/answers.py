"""The result of a query as tab-separated lines, CSV, JSON lines or Parquet, row by row in constant
memory."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from ruie.db.query_values import size_of
from ruie.errors import DatabaseError
from ruie.shown import harmless

if TYPE_CHECKING:
    from ruie.db.query import QueryResult

_FORMULA = re.compile(r"[\s\x00-\x1f\ufeff\u200b-\u200f]*[=+\-@＝＋－＠|%]|[\t\r\n]")
"""How a text begins that one spreadsheet or another takes for a formula."""

_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})

GROUP_ROWS = 10_000
"""Rows of a Parquet row group; the types of columns are those of the first group."""
GROUP_BYTES = 64_000_000
"""Likewise, bytes: long texts go in small groups."""


def write_tsv(result: QueryResult, out: TextIO) -> int:
    """The names, and a line for each row, with tabs between the columns; returns the number of
    rows. NULL is empty. Tab, line feed, carriage return and backslash are written as in
    PostgreSQL's COPY, what else a terminal obeys as `\\u001b`, so that nothing is lost."""
    rows = -1
    for row in chain([result.columns], result.rows):
        out.write("\t".join(map(_escaped, row)) + "\n")
        rows += 1
    return rows


def _escaped(value: Any) -> str:
    if value is None:
        return ""
    return harmless(str(value).translate(_ESCAPES))


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
    """An object on each line. Infinity and NaN, which JSON has not, are null."""
    names = distinct(result.columns)
    for row in result.rows:
        named = dict(zip(names, map(_finite, row), strict=True))
        out.write(json.dumps(named, ensure_ascii=False, default=str, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value


def distinct(names: Sequence[str]) -> list[str]:
    """Names of columns, each once: the second `n` is `n_2`, or the next number that is free."""
    given: list[str] = []
    for name in names:
        chosen, number = name, 1
        while chosen in given or (number > 1 and chosen in names):
            number += 1
            chosen = f"{name}_{number}"
        given.append(chosen)
    return given


def write_parquet(result: QueryResult, out: BinaryIO) -> None:
    """A row group for each `GROUP_ROWS` rows. A column is int64, float64, binary or string; one
    with an integer that has no room in int64 is a string. Raises `DatabaseError` where a later
    value does not fit its column's type."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = distinct(result.columns)
    first = list(_group(result.rows))
    types = [_type([row[i] for row in first]) for i in range(len(result.columns))]
    arrow = {int: pa.int64(), float: pa.float64(), bytes: pa.binary(), str: pa.string()}
    schema = pa.schema([(name, arrow[type_]) for name, type_ in zip(names, types, strict=True)])
    with pq.ParquetWriter(out, schema) as writer:
        rows = first
        while rows:
            columns = [
                pa.array([_fit(row[i], type_, names[i]) for row in rows], arrow[type_])
                for i, type_ in enumerate(types)
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            rows = list(_group(result.rows))


def _group(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The next rows, up to `GROUP_ROWS` or `GROUP_BYTES`."""
    size = 0
    for row in islice(rows, GROUP_ROWS):
        yield row
        size += size_of(row)
        if size > GROUP_BYTES:
            return


def _type(values: Sequence[Any]) -> type:
    types = {type(value) for value in values if value is not None}
    if not all(_has_room(value) for value in values):
        return str
    if types == {int, float}:
        return float
    return types.pop() if len(types) == 1 and types <= {int, float, bytes} else str


def _has_room(value: Any) -> bool:
    return not isinstance(value, int) or -(1 << 63) <= value < 1 << 63


def _fit(value: Any, type_: type, column: str) -> Any:
    if value is None or (isinstance(value, type_) and _has_room(value)):
        return value
    if type_ is str or (type_ is float and isinstance(value, int) and _has_room(value)):
        return type_(value)
    later = type(value).__name__ if _has_room(value) else f"{value}, which has no room in 64 bits"
    raise DatabaseError(
        f"The column {column} begins with {type_.__name__} and later has {later}.",
        f"Write CAST({column} AS TEXT), or AS REAL, in the query.",
    )
