"""What sources have, in batches that are each written in one transaction, with the positions
reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ruie.db.corpora import Position, SourceState
from ruie.db.jobs import NewInputError
from ruie.db.queue import EnqueueCounts, NewDocument
from ruie.lengths import is_too_long, shortened
from ruie.worker.ingest.documents import DocumentOrError, repeated_id, was_forgotten
from ruie.worker.ingest.sources.bounded import read_bounded
from ruie.worker.ingest.sources.source import Source

BATCH_ROWS = 10_000
"""So many that a statement's fixed cost does not matter."""
BATCH_CHARS = 4_000_000
"""Long documents go in small batches."""


@dataclass(slots=True)
class InputBatch:
    """Rows of one source or several, and the position of its end in each."""

    documents: list[NewDocument] = field(default_factory=list)
    errors: list[NewInputError] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    chars: int = 0
    bytes_read: int = 0
    """Of all sources, up to the end of this batch."""

    def add(self, row: DocumentOrError) -> None:
        """Append a row."""
        if isinstance(row, NewDocument):
            self.documents.append(row)
            self.chars += len(row.text)
        else:
            self.errors.append(row)

    @property
    def full(self) -> bool:
        """Whether it is to be written now."""
        rows = len(self.documents) + len(self.errors)
        return max(rows, len(self.positions)) >= BATCH_ROWS or self.chars >= BATCH_CHARS

    def refusals(self, counts: EnqueueCounts) -> list[NewInputError]:
        """All that is refused. counts: what became of the documents."""
        repeated = [repeated_id(self.documents[i]) for i in counts.duplicates]
        return self.errors + repeated + [was_forgotten(self.documents[i]) for i in counts.forgotten]


def read_batches(
    sources: Sequence[Source], positions: Mapping[str, Position], corpus: str | None = None
) -> Iterator[InputBatch]:
    """What is still to be read. positions: how far each source was read before. corpus: in which
    the ids are."""
    batch = InputBatch()
    passed = 0
    for source in sources:
        name = shortened(source.name)
        before = positions.get(name)
        if before is None or before.state not in ("done", "unchanged"):
            # without a fingerprint it is unknown whether the first records are still the same
            position = before.position if before and source.fingerprint else 0
            for row in read_bounded(source, position, corpus):
                batch.add(row)
                position = row.line or position
                if batch.full:
                    batch.positions[name] = _position(source, position, "reading")
                    batch.bytes_read = passed + source.bytes_read()
                    yield batch
                    batch = InputBatch()
            unread = source.unreadable or is_too_long(source.name)
            state: SourceState = "broken" if unread else "done"
            batch.positions[name] = _position(source, position, state)
        passed += source.size
        batch.bytes_read = passed
        if batch.full:
            yield batch
            batch = InputBatch()
    if batch.positions:
        yield batch


def _position(source: Source, position: int, state: SourceState) -> Position:
    return Position(source.fingerprint, position, state)


def total_bytes(sources: Iterable[Source]) -> int:
    """Of all sources; 0 where the size of one is unknown."""
    sizes = [source.size for source in sources]
    return sum(sizes) if all(sizes) else 0
