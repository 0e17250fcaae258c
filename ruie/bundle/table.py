"""`demonstrations.parquet`: one demonstration per row, in the order of the index."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ruie.bundle.manifest import REBUILD
from ruie.bundle.retrieval import text_key, unused
from ruie.errors import BundleError
from ruie.records import Demonstration

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_SPAN = pa.struct(
    [
        ("text", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("grounding", pa.string()),
    ]
)
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("task", pa.string()),
        ("schema", pa.string()),
        ("labels", pa.list_(pa.string())),
        ("text", pa.string()),
        ("trigger", pa.struct([("type", pa.string()), ("span", _SPAN)])),
        ("items", pa.list_(pa.struct([("type", pa.string()), ("spans", pa.list_(_SPAN))]))),
    ]
)


BATCH_ROWS = 256
UNPACKED_BYTES, MOST_TIMES = 256 << 20, 200
"""A file may unpack to so many bytes, or to so many times its own."""
CACHED_ROWS = 8192
"""Demonstrations that are cached as objects, about 2 kB each."""


class Table:
    """The demonstrations in columns; only the rows that are requested become objects."""

    def __init__(self, path: Path) -> None:
        """Raises `BundleError` naming the file."""
        try:
            # One thread: Arrow's thread pool would not work in a forked child that reads rows. Not
            # read_table: it imports pandas in every worker, if it is installed.
            with pq.ParquetFile(path, memory_map=False) as file:
                self._table = _read(file, path)
        except (pa.ArrowException, OSError) as error:
            raise BundleError(f"{path} cannot be read: {error}.", REBUILD) from None
        if not self._table.schema.equals(SCHEMA):
            raise BundleError(
                f"{path} has other columns than this version of ruie writes.", REBUILD
            )
        self._table = self._table.combine_chunks()
        self._forget()

    def _forget(self) -> None:
        self._cache: dict[int, Demonstration] = {}
        self._keys: dict[int, str] = {}

    def extended(self, demonstrations: Sequence[Demonstration]) -> Self:
        """A table of its rows, and then these. An id that it has already gets a suffix."""
        taken = set(self.row_of)
        rows = [each.body() for each in demonstrations]
        for row in rows:
            row["id"] = unused(row["id"], taken)
            taken.add(row["id"])
        more = pa.Table.from_pylist(rows, schema=SCHEMA)
        made = object.__new__(type(self))
        made._table = pa.concat_tables([self._table, more]).combine_chunks()
        made._forget()
        return made

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @cached_property
    def texts(self) -> list[str]:
        """The text of each row."""
        texts: list[str] = self._table.column("text").to_pylist()
        return texts

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of each id."""
        return {name: row for row, name in enumerate(self._table.column("id").to_pylist())}

    def key(self, row: int) -> str:
        """The `text_key` of one row's text."""
        if (known := self._keys.get(row)) is None:
            known = self._keys[row] = text_key(self.texts[row])
        return known

    def types(self, rows: Rows, labels: Sequence[str]) -> Floats:
        """1 where a row's answer has an item of the label: float32, shape (rows, labels)."""
        starts, codes, names = self._types
        columns = {label: column for column, label in enumerate(labels)}
        column_of_code = np.array([columns.get(name, -1) for name in names], dtype=np.int64)
        counts = starts[rows + 1] - starts[rows]
        row = np.repeat(np.arange(len(rows)), counts)
        within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        column = column_of_code[codes[np.repeat(starts[rows], counts) + within]]
        table = np.zeros((len(rows), len(labels)), dtype=np.float32)
        table[row[column >= 0], column[column >= 0]] = 1
        return table

    def spans(self, rows: Rows) -> list[list[str]]:
        """The `text_key` of each span in each row's items, without its trigger."""
        starts, texts = self._spans
        return [
            [
                text_key(span)
                for span in texts.slice(starts[row], starts[row + 1] - starts[row]).to_pylist()
            ]
            for row in rows.tolist()
        ]

    @cached_property
    def _spans(self) -> tuple[Rows, Any]:
        """The index of each row's first span, and the texts of all spans."""
        items = self._table.column("items").combine_chunks()
        each = items.flatten().field("spans")
        of_items = each.offsets.to_numpy().astype(np.int64)
        starts = of_items[items.offsets.to_numpy() - items.offsets[0].as_py()]
        return starts - of_items[0], each.flatten().field("text")

    @cached_property
    def _types(self) -> tuple[Rows, Rows, list[str]]:
        """The types of all items: the index of each row's first item, each item's code, and the
        name of each code."""
        items = self._table.column("items").combine_chunks()
        coded = items.flatten().field("type").dictionary_encode()
        return (
            items.offsets.to_numpy().astype(np.int64) - items.offsets[0].as_py(),
            coded.indices.to_numpy().astype(np.int64),
            coded.dictionary.to_pylist(),
        )

    def row(self, row: int) -> Demonstration:
        """One demonstration. Objects are cached: some demonstrations are retrieved often."""
        if (cached := self._cache.get(row)) is not None:
            return cached
        if len(self._cache) >= CACHED_ROWS:
            self._cache.clear()
        read = self._cache[row] = Demonstration.from_body(self._table.slice(row, 1).to_pylist()[0])
        return read

    def rows(self) -> list[Demonstration]:
        """All of them, in order."""
        return [Demonstration.from_body(raw) for raw in self._table.to_pylist()]


def _read(file: pq.ParquetFile, path: Path) -> pa.Table:
    """All of its rows. A small file may stand for more than any memory has: it is refused."""
    most = max(UNPACKED_BYTES, MOST_TIMES * path.stat().st_size)
    batches, size = [], 0
    for batch in file.iter_batches(BATCH_ROWS, use_threads=False):
        size += batch.nbytes
        if size > most:
            raise BundleError(f"{path} unpacks to more than {most:,} bytes.", REBUILD)
        batches.append(batch)
    return pa.Table.from_batches(batches, file.schema_arrow)


def write_table(path: Path, demonstrations: Sequence[Demonstration]) -> None:
    """Write them in the given order."""
    rows = [demonstration.body() for demonstration in demonstrations]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path, compression="zstd")
