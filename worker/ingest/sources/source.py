"""What a source of documents is, wherever they come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ruie.worker.ingest.documents import DocumentOrError


class Source(Protocol):
    """A file (`FileSource`) or the rows of a program (`RowSource`)."""

    @property
    def name(self) -> str:
        """Unique among the sources of a job."""

    @property
    def fingerprint(self) -> str:
        """Changes when the content does; empty where that cannot be known."""

    @property
    def size(self) -> int:
        """Bytes as stored; 0 where unknown."""

    @property
    def unreadable(self) -> bool:
        """Whether the last reading failed before the end."""

    @property
    def replayable(self) -> bool:
        """Whether it can be read again."""

    def bytes_read(self) -> int:
        """Of `size`, while it is being read."""

    def read(self, start: int = 0) -> Iterator[DocumentOrError]:
        """Documents and refusals after the first `start` records."""
