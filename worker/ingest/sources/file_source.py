"""One source: a name, a fingerprint, and its documents from any position."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast
from zipfile import BadZipFile

from ruie.db.jobs import NewInputError
from ruie.worker.ingest.documents import Read
from ruie.worker.ingest.sources.formats import Reader, UnreadableError
from ruie.worker.ingest.sources.mapping import ColumnMapping

STDIN = "stdin"
BROKEN = (OSError, EOFError, zlib.error, BadZipFile, UnreadableError)


@dataclass(slots=True, eq=False)
class Source:
    """Raises nothing while it is read: what is broken is one refusal without a line."""

    name: str
    fingerprint: str
    """Changes when the content does; empty where nobody can know."""
    opened: Callable[[], AbstractContextManager[BinaryIO]]
    packing: str
    reader: Reader
    mapping: ColumnMapping
    max_chars: int
    size: int = 0
    """Bytes as they are stored; 0 where nobody knows."""
    unreadable: bool = False
    """Set where the last reading did not come to the end."""
    _stream: BinaryIO | None = None

    @property
    def replayable(self) -> bool:
        """Whether it can be read again: standard input cannot."""
        return self.name != STDIN

    def bytes_read(self) -> int:
        """Of `size`, while it is read."""
        try:
            return self._stream.tell() if self._stream else 0
        except (OSError, ValueError):  # a pipe has no position, a closed file none any more
            return 0

    def read(self, start: int = 0) -> Iterator[Read]:
        """Documents and refusals after the first `start` records."""
        self.unreadable = False
        last = start
        try:
            with self.opened() as stream:
                self._stream = stream
                unpacked = unpack(stream, self.packing)
                for row in self.reader(unpacked, self.name, self.mapping, self.max_chars, start):
                    last = row.line or last
                    yield row
        except BROKEN as error:
            self.unreadable = True
            said = (getattr(error, "strerror", None) or str(error)).split("\n")[0]
            where = f"breaks off after record {last}" if last else "cannot be read"
            yield NewInputError(self.name, None, f"{where}: {said}")
        finally:
            self._stream = None


class _Unzipped(io.RawIOBase):
    """Gives what there is rather than wait for a full buffer: of a file that breaks off, all."""

    def __init__(self, stream: BinaryIO) -> None:
        self._file = gzip.GzipFile(fileobj=stream)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._file.read1(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def unpack(stream: BinaryIO, packing: str) -> BinaryIO:
    """A stream as it was before it was compressed (`gzip`, `zstd`, or nothing)."""
    if packing == "gzip":
        return cast(BinaryIO, io.BufferedReader(_Unzipped(stream), 1 << 18))
    if packing == "zstd":
        import pyarrow as pa

        unpacked = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")
        return cast(BinaryIO, io.BufferedReader(unpacked, 1 << 18))
    return stream


def read_sources(sources: Iterable[Source]) -> Iterator[Read]:
    """Every document of every source, with what was refused in between."""
    for source in sources:
        yield from source.read()
