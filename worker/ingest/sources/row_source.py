"""Rows of a program as a source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ruie.worker.ingest.documents import Read
from ruie.worker.ingest.sources.formats import mapped
from ruie.worker.ingest.sources.frames import rows_of
from ruie.worker.ingest.sources.mapping import DEFAULT


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
