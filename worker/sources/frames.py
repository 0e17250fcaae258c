"""Rows of frames and tables as dicts, without importing the library that made them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from worker.ingest import Read
from worker.sources.formats import mapped
from worker.sources.mapping import DEFAULT


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


class Rows:
    """Rows that a program gives, as a source; once."""

    name = "rows"
    fingerprint = ""
    size = 0
    unreadable = False
    replayable = False

    def __init__(self, given: Any, max_chars: int) -> None:
        self._given = given
        self._max_chars = max_chars

    def bytes_read(self) -> int:
        """Unknown: nothing is stored."""
        return 0

    def read(self, start: int = 0) -> Iterator[Read]:
        """Documents and refusals. What the rows raise is the caller's own, and is not caught."""
        for number, row in enumerate(rows_of(self._given), start=1):
            if number > start:
                yield mapped(row, None, number, DEFAULT, self._max_chars)
