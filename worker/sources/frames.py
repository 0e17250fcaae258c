"""Rows of frames and tables as dicts, without importing the library that made them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def rows_of(given: Any) -> Iterator[dict[str, Any]]:
    """Rows of a pandas or polars frame, a pyarrow table, batch or reader, or dicts."""
    if hasattr(given, "__arrow_c_stream__"):
        import pyarrow as pa

        for batch in pa.RecordBatchReader.from_stream(given):
            for start in range(0, batch.num_rows, 512):
                for row in batch.slice(start, 512).to_pylist():
                    yield {k: v for k, v in row.items() if not k.startswith("__index_level_")}
    elif hasattr(given, "to_pylist"):
        yield from given.to_pylist()
    elif hasattr(given, "columns") and hasattr(given, "itertuples"):
        for values in given.itertuples(index=False, name=None):
            yield dict(zip(given.columns, values, strict=True))
    else:
        for row in given:
            yield dict(row)
