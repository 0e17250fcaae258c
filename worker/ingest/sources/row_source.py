"""The rows of a program as a source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ruie.worker.ingest.documents import DocumentOrError
from ruie.worker.ingest.sources.formats import typed_document
from ruie.worker.ingest.sources.frames import rows_of
from ruie.worker.ingest.sources.mapping import DEFAULT


class RowSource:
    """Rows of a program, as a source that can be read once. name, fingerprint: of rows that another
    call would have again, in the same order, so that it can continue."""

    size = 0
    unreadable = False
    replayable = False

    def __init__(
        self, rows: Any, max_chars: int, name: str = "rows", fingerprint: str = ""
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self._rows = rows
        self._max_chars = max_chars

    def bytes_read(self) -> int:
        """0: the size is unknown."""
        return 0

    def read(self, start: int = 0) -> Iterator[DocumentOrError]:
        """Documents and refusals. Errors of the caller's own iterable are not caught."""
        for number, row in enumerate(rows_of(self._rows), start=1):
            if number > start:
                yield typed_document(row, None, number, DEFAULT, self._max_chars)
