"""Sources that break: what was read is kept, and one refusal says that the rest is missing."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument
from ruie.worker.ingest.documents import DocumentOrError
from ruie.worker.ingest.sources import FileSource, find_sources

LINES = b"".join(b'{"text": "document %d"}\n' % n for n in range(20_000))


def read(source: FileSource) -> tuple[list[NewDocument], list[NewInputError]]:
    found: list[DocumentOrError] = list(source.read())
    return (
        [one for one in found if isinstance(one, NewDocument)],
        [one for one in found if isinstance(one, NewInputError)],
    )


def test_a_gzip_that_is_cut_off(tmp_path: Path) -> None:
    packed = gzip.compress(LINES)
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    (source,) = find_sources([tmp_path / "a.jsonl.gz"])
    documents, (error,) = read(source)
    assert documents[0].text == "document 0"
    assert error.reason.startswith(f"breaks off after record {len(documents)}: ")
    assert source.unreadable


@pytest.mark.parametrize("content", [b"", b"PAR1 no table PAR1"])
def test_a_parquet_file_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    (source,) = find_sources([tmp_path / "a.parquet"])
    documents, (error,) = read(source)
    assert not documents
    assert error.reason.startswith("cannot be read: ")
    assert source.unreadable


def test_a_zip_whose_member_is_gone_or_locked(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jsonl", LINES)
    (source,) = find_sources([path])
    documents, errors = read(source)
    assert (len(documents), errors, source.unreadable) == (20_000, [], False)

    raw = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + at] |= 1  # "encrypted"
    path.write_bytes(raw)
    documents, (error,) = read(source)
    assert not documents
    assert "encrypted" in error.reason

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b.jsonl", LINES)
    documents, (error,) = read(source)
    assert not documents
    assert error.reason.startswith("cannot be read: ")


def test_a_mistake_of_the_program_is_a_refusal_that_names_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES)
    (source,) = find_sources([tmp_path / "a.jsonl"])

    def mistaken(*_: object) -> object:
        raise ZeroDivisionError("a mistake")

    source.reader = mistaken  # type: ignore[assignment]  # on purpose
    with caplog.at_level("INFO", "ruie.sources"):
        documents, (error,) = read(source)
    assert not documents
    assert error.reason == "cannot be read: ZeroDivisionError: a mistake"
    assert source.unreadable
    assert "in mistaken" in caplog.text
