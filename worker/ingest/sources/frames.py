"""Rows of frames and tables as dicts, without importing the library that made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ruie.errors import UsageError

ROWS_AT_A_TIME = 512


def rows_of(given: Any) -> Iterator[dict[str, Any]]:
    """Rows of a pandas or polars frame, a pyarrow table, batch or reader, or an iterable of
    mappings. Raises `UsageError` for a row that is not a mapping."""
    if type(given).__name__ == "LazyFrame":
        given = given.collect()
    if hasattr(given, "itertuples"):
        # not through Arrow, which refuses a whole frame for one column of mixed types
        if any(name is not None for name in given.index.names):
            given = given.reset_index()
        names = _unique([str(name) for name in given.columns])
        for values in given.itertuples(index=False, name=None):
            yield dict(zip(names, values, strict=True))
    elif hasattr(given, "__arrow_c_stream__") and hasattr(given, "columns"):
        import pyarrow as pa

        yield from _batches(pa.RecordBatchReader.from_stream(given))
    elif hasattr(given, "to_pylist"):
        yield from _batches([given])
    elif hasattr(given, "read_next_batch"):
        yield from _batches(given)
    else:
        for number, row in enumerate(given, start=1):
            if not isinstance(row, Mapping):
                kind = type(row).__name__
                raise UsageError(f"Row {number} is a {kind}.", 'Give {"text": "..."}, or a frame.')
            yield dict(row)


def _batches(batches: Any) -> Iterator[dict[str, Any]]:
    for batch in batches:
        _unique(batch.schema.names)
        for start in range(0, batch.num_rows, ROWS_AT_A_TIME):
            yield from batch.slice(start, ROWS_AT_A_TIME).to_pylist()


def _unique(names: list[str]) -> list[str]:
    """The columns' names. Raises `UsageError`: of two with one name a row would keep the last."""
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"Two columns are named '{twice}'.", "Rename one of them.")
    return names
