"""Sources in batches that are written in one transaction each, with how far they were read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ruie.db.corpora import Position, SourceState
from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument
from ruie.worker.ingest.documents import Read

BATCH = 10_000
"""Rows of a batch: so many that a statement's fixed cost does not count."""
BATCH_CHARS = 4_000_000
"""Likewise, characters: long documents go in small batches."""


class Readable(Protocol):
    """A source; see `ruie.worker.ingest.sources.file_source.Source`."""

    @property
    def name(self) -> str:
        """Unique among the sources of a job."""

    @property
    def fingerprint(self) -> str:
        """Changes when the content does; empty where nobody can know."""

    @property
    def size(self) -> int:
        """Bytes as stored; 0 where nobody knows."""

    @property
    def unreadable(self) -> bool:
        """Whether the last reading did not come to the end."""

    @property
    def replayable(self) -> bool:
        """Whether it can be read again."""

    def bytes_read(self) -> int:
        """Of `size`, while it is read."""

    def read(self, start: int = 0) -> Iterator[Read]:
        """Documents and refusals after the first `start` records."""


@dataclass(slots=True)
class Batch:
    """Rows of one source or more, and where in them its end is."""

    documents: list[NewDocument] = field(default_factory=list)
    errors: list[NewInputError] = field(default_factory=list)
    reached: dict[str, Position] = field(default_factory=dict)
    chars: int = 0
    bytes_read: int = 0
    """Of all sources, up to the end of this batch."""

    def add(self, row: Read) -> None:
        """One more."""
        if isinstance(row, NewDocument):
            self.documents.append(row)
            self.chars += len(row.text)
        else:
            self.errors.append(row)

    @property
    def full(self) -> bool:
        """Whether it is to be written now."""
        rows = len(self.documents) + len(self.errors)
        return max(rows, len(self.reached)) >= BATCH or self.chars >= BATCH_CHARS


def batches(sources: Sequence[Readable], begun: Mapping[str, Position]) -> Iterator[Batch]:
    """What is still to be read. begun: how far each source was read before."""
    batch = Batch()
    passed = 0
    for source in sources:
        before = begun.get(source.name)
        if before is None or before.state not in ("done", "unchanged"):
            # without a fingerprint nobody knows whether the first records are the same
            position = before.position if before and source.fingerprint else 0
            for row in source.read(position):
                batch.add(row)
                position = row.line or position
                if batch.full:
                    batch.reached[source.name] = _at(source, position, "reading")
                    batch.bytes_read = passed + source.bytes_read()
                    yield batch
                    batch = Batch()
            state: SourceState = "broken" if source.unreadable else "done"
            batch.reached[source.name] = _at(source, position, state)
        passed += source.size
        batch.bytes_read = passed
        if batch.full:
            yield batch
            batch = Batch()
    if batch.reached:
        yield batch


def _at(source: Readable, position: int, state: SourceState) -> Position:
    return Position(source.fingerprint, position, state)


def total_bytes(sources: Iterable[Readable]) -> int:
    """Of all sources; 0 where that of one is not known."""
    sizes = [source.size for source in sources]
    return sum(sizes) if all(sizes) else 0
