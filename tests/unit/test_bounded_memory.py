"""Small files that stand for large data, and files that never end, are refused or read in parts."""

from __future__ import annotations

import gzip
import os
import threading
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ruie import named_files
from ruie.bundle.manifest import file_card
from ruie.bundle.table import Table
from ruie.bundle.type_model import read_models
from ruie.chunking import MAX_CLUSTER, Chunker
from ruie.db.queue import NewDocument
from ruie.errors import BundleError, UsageError
from ruie.worker.ingest.sources import find_sources

MIB = 1 << 20


def reasons(path: Path) -> list[str]:
    (source,) = find_sources([path])
    return [getattr(row, "reason", "") for row in source.read()]


@pytest.mark.parametrize("name", ["a.txt.gz", "a.jsonl.gz", "a.txt.zst", "a.csv.zst", "a.zip"])
def test_what_expands_without_end_is_refused(tmp_path: Path, name: str) -> None:
    zeros = b"\0" * (96 * MIB)
    path = tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(zeros))
    elif name.endswith(".zst"):
        path.write_bytes(pa.compress(zeros, "zstd", asbytes=True))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.jsonl", zeros)
    del zeros
    (reason,) = reasons(path)
    assert reason == "cannot be read: it expands to more than 200 times its size, as no text does"


def test_demonstrations_that_unpack_to_gigabytes_are_refused(tmp_path: Path) -> None:
    """5 GB where all rows are read."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 5000, pa.int32()), pa.array(["x" * MIB]))
    path = tmp_path / "demonstrations.parquet"
    pq.write_table(pa.table({"text": texts}), path, compression="zstd", store_schema=False)
    del texts
    assert path.stat().st_size < MIB
    with pytest.raises(BundleError, match="unpacks to more than"):
        Table(path)
    assert pa.default_memory_pool().max_memory() < 2_000 * MIB


@pytest.mark.parametrize("size", [7_000_000, 700_000])
def test_a_value_of_many_parquet_rows_is_not_copied_for_each(tmp_path: Path, size: int) -> None:
    """12 GB where each of the 600 rows gets its copies."""
    value = pa.DictionaryArray.from_arrays(pa.array([0] * 600, pa.int32()), pa.array(["x" * size]))
    columns = {f"m{number}": value for number in range(4)}
    table = pa.table({"text": [f"document {n}" for n in range(600)], **columns})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
    del table, columns, value
    (source,) = find_sources([tmp_path / "a.parquet"])
    pool = pa.default_memory_pool()
    before, most, read, refused = pool.bytes_allocated(), 0, 0, 0
    tracemalloc.start()
    try:
        for row in source.read():
            most = max(most, pool.bytes_allocated() - before)
            read += isinstance(row, NewDocument)
            refused += not isinstance(row, NewDocument)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (read, refused) == ((0, 600) if size > 800_000 else (600, 0))
    assert most + peak < 256 * MIB


@pytest.mark.parametrize("compressed", [True, False])
def test_types_that_would_be_larger_than_their_file_are_refused(
    tmp_path: Path, compressed: bool
) -> None:
    path = tmp_path / "types.npz"
    if compressed:
        names = ("tokens", "ids", "idf", "means", "scales", "weights")
        arrays: dict[str, Any] = {name: np.zeros(4 * MIB, dtype=np.int8) for name in names}
        np.savez_compressed(path, **arrays)
    else:
        header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (400000000,), }"
        header += b" " * (118 - 1 - len(header)) + b"\n"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("tokens.npy", b"\x93NUMPY\x01\x00\x76\x00" + header)
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match=r"larger than its file|shorter than it says"):
            read_models(path, [], 4)
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


def test_a_pipe_in_a_bundle_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "types.npz")
    with pytest.raises(OSError, match="not a regular file"):
        file_card(tmp_path / "types.npz")


def test_a_named_pipe_is_read_and_one_without_a_writer_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "a.jsonl"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b'{"text": "Crude fell."}\n',))
    writer.start()
    (source,) = find_sources([pipe])
    assert [getattr(row, "text", row) for row in source.read()] == ["Crude fell."]
    writer.join()

    monkeypatch.setattr(named_files, "WAIT_S", 0.05)
    assert reasons(pipe) == ["cannot be read: it is a pipe to which nobody writes"]
    (tmp_path / "b.jsonl").write_text('{"text": "Gas rose."}')
    assert [source.name for source in find_sources([tmp_path])] == [str(tmp_path / "b.jsonl")]


def test_what_a_shell_makes_of_a_command_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, b'{"text": "Crude fell."}\n')
    os.close(writing)
    (source,) = find_sources([f"/dev/fd/{reading}"], input_format="jsonl")
    assert [getattr(row, "text", row) for row in source.read()] == ["Crude fell."]
    os.close(reading)


def test_a_device_is_no_source() -> None:
    with pytest.raises(UsageError, match="is a device"):
        find_sources(["/dev/zero"], input_format="text")


@pytest.mark.parametrize("sign", ["\u0301", "\u1100", "👩\u200d", "\U0001f1e6"])
def test_a_grapheme_of_any_length_is_cut(sign: str) -> None:
    text = sign * (2_000 // len(sign))
    chunks = Chunker(256, 0)(text)
    assert "".join(text[a:b] for a, b in chunks) == text
    assert max(b - a for a, b in chunks) <= MAX_CLUSTER
