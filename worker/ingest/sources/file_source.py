"""A source that is a file: its documents, from any position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ruie.db.jobs import NewInputError
from ruie.expansion import Counted, expanding, gunzipped
from ruie.worker.ingest.documents import DocumentOrError
from ruie.worker.ingest.refusal import cause_of
from ruie.worker.ingest.sources.bounded import read_bounded
from ruie.worker.ingest.sources.file_entry import OpenStream
from ruie.worker.ingest.sources.formats import Reader
from ruie.worker.ingest.sources.mapping import ColumnMapping

STDIN = "stdin"


@dataclass(slots=True, eq=False)
class FileSource:
    """Raises nothing while it is read: a failure, of whatever kind, is one refusal without a
    line."""

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
        except Exception as error:  # whatever a decoder raises costs this source alone
            self.unreadable = True
            what = f"breaks off after record {last}" if last else "cannot be read"
            yield NewInputError(self.name, None, f"{what}: {cause_of(error, self.name)}")
        finally:
            self._stream = None


def decompress(stream: BinaryIO, compression: str) -> BinaryIO:
    """The uncompressed stream. compression: "gzip", "zstd" or "". Reading it raises
    OSError where it expands to too much (expansion.py)."""
    if not compression:
        return stream
    if compression == "gzip":
        return gunzipped(stream)
    import pyarrow as pa

    packed = Counted(stream)
    return expanding(pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd"), packed)


def read_sources(sources: Iterable[FileSource]) -> Iterator[DocumentOrError]:
    """The documents and refusals of every source, in order."""
    for source in sources:
        yield from read_bounded(source)
