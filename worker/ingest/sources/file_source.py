"""A source that is a file: its documents, from any position."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast
from zipfile import BadZipFile

from ruie.db.jobs import NewInputError
from ruie.worker.ingest.documents import DocumentOrError
from ruie.worker.ingest.sources.bounded import read_bounded
from ruie.worker.ingest.sources.file_entry import OpenStream
from ruie.worker.ingest.sources.formats import Reader, UnreadableError
from ruie.worker.ingest.sources.mapping import ColumnMapping

STDIN = "stdin"
BROKEN = (OSError, EOFError, zlib.error, BadZipFile, UnreadableError)


@dataclass(slots=True, eq=False)
class FileSource:
    """Raises nothing while it is read: a failure is one refusal without a line."""

    name: str
    fingerprint: str
    open: OpenStream
    compression: str
    reader: Reader
    mapping: ColumnMapping
    max_chars: int
    size: int = 0
    unreadable: bool = False
    """Whether the last reading failed before the end."""
    _stream: BinaryIO | None = None

    @property
    def replayable(self) -> bool:
        """Whether it can be read again: standard input cannot."""
        return self.name != STDIN

    def bytes_read(self) -> int:
        """Of `size`, while it is being read."""
        try:
            return self._stream.tell() if self._stream else 0
        except (OSError, ValueError):  # a pipe has no position, nor has a closed file
            return 0

    def read(self, start: int = 0) -> Iterator[DocumentOrError]:
        """Documents and refusals after the first `start` records."""
        self.unreadable = False
        last = start
        try:
            with self.open() as stream:
                self._stream = stream
                plain = decompress(stream, self.compression)
                for row in self.reader(plain, self.name, self.mapping, self.max_chars, start):
                    last = row.line or last
                    yield row
        except BROKEN as error:
            self.unreadable = True
            cause = (getattr(error, "strerror", None) or str(error)).split("\n")[0]
            what = f"breaks off after record {last}" if last else "cannot be read"
            yield NewInputError(self.name, None, f"{what}: {cause}")
        finally:
            self._stream = None


class _Gunzipped(io.RawIOBase):
    """Returns what there is, without waiting for a full buffer: of a truncated file, all of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._file = gzip.GzipFile(fileobj=stream)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def decompress(stream: BinaryIO, compression: str) -> BinaryIO:
    """The uncompressed stream. compression: "gzip", "zstd" or ""."""
    if compression == "gzip":
        return cast(BinaryIO, io.BufferedReader(_Gunzipped(stream), 1 << 18))
    if compression == "zstd":
        import pyarrow as pa

        plain = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")
        return cast(BinaryIO, io.BufferedReader(plain, 1 << 18))
    return stream


def read_sources(sources: Iterable[FileSource]) -> Iterator[DocumentOrError]:
    """The documents and refusals of every source, in order."""
    for source in sources:
        yield from read_bounded(source)
