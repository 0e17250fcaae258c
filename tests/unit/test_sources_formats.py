"""Every format, packing and position to resume at."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ruie.db.queue import NewDocument
from ruie.worker.ingest.sources import ColumnMapping, find_sources
from ruie.worker.ingest.sources.frames import rows_of

BODY = ColumnMapping(text="body", id="url", metadata=("by",))
LINES = (
    b'{"url": "u1", "body": "one", "by": "A", "x": 1}\n'
    b'{"body": 2}\n'
    b'{"url": "u3", "body": "three"}\n'
)


def write(folder: Path) -> None:
    (folder / "a.jsonl").write_bytes(LINES)
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(LINES))
    (folder / "a.jsonl.zst").write_bytes(pa.Codec("zstd").compress(LINES, asbytes=True))
    (folder / "a.csv").write_text('url,body,by\nu1,one,A\nu2,two\nu3,"three",B\n')
    table = pa.table({"url": ["u1", "u2", "u3"], "body": ["one", "", "three"], "by": ["A", "", ""]})
    pq.write_table(table, folder / "a.parquet", row_group_size=1)
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("in/a.jsonl", LINES)


NAMES = ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.csv", "a.parquet", "a.zip"]


@pytest.mark.parametrize("name", NAMES)
def test_a_source_is_read_from_any_position(tmp_path: Path, name: str) -> None:
    write(tmp_path)
    (source,) = find_sources([tmp_path / name], BODY)
    rows = list(source.read())
    assert [row.line for row in rows] == [1, 2, 3]
    first, refused, last = rows
    assert isinstance(first, NewDocument)
    assert (first.text, first.external_id, first.metadata) == ("one", "u1", {"by": "A"})
    assert not isinstance(refused, NewDocument)
    assert isinstance(last, NewDocument)
    assert last.text == "three"
    assert [list(source.read(n)) for n in range(4)] == [rows[n:] for n in range(4)]
    assert not source.unreadable


def test_a_broken_archive_gives_what_was_read_and_says_so(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b'{"text": "%d"}\n' % (n**9) for n in range(20_000)))
    (tmp_path / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (source,) = find_sources([tmp_path / "a.jsonl.gz"])
    *read, error = source.read()
    assert len(read) > 1000
    assert source.unreadable
    assert not isinstance(error, NewDocument)
    assert error.line is None
    assert error.reason.startswith(f"breaks off after record {len(read)}")


def test_rows_of_a_table_are_dicts() -> None:
    table = pa.table({"text": ["a", "b"], "n": [1, None]})
    assert list(rows_of(table)) == [{"text": "a", "n": 1}, {"text": "b", "n": None}]
