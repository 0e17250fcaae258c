"""Counting what sources have: enqueueing, its dry run and an estimate count alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ruie.db.jobs import NewInputError
from ruie.db.queue import EnqueueCounts
from ruie.worker.ingest.input_batches import InputBatch

KEPT_ERRORS = 20
"""Refusals that are reported one by one; the others are only counted."""


@dataclass(slots=True)
class InputCounter:
    """Documents and refusals; of the refusals the first are kept."""

    documents: int = 0
    """Read so far, without those refused."""
    refused: int = 0
    errors: list[NewInputError] = field(default_factory=list)

    def refuse(self, errors: Iterable[NewInputError]) -> None:
        """Count these refusals."""
        for error in errors:
            self.refused += 1
            if len(self.errors) < KEPT_ERRORS:
                self.errors.append(error)


@dataclass(slots=True)
class EnqueueCounter(InputCounter):
    """What becomes of the documents, too."""

    added: int = 0
    """Given to the job."""
    new_documents: int = 0
    items: int = 0
    changed: int = 0
    unchanged: int = 0

    def add(self, batch: InputBatch, counts: EnqueueCounts) -> None:
        """Count a batch. counts: what became of its documents."""
        self.refuse(batch.refusals(counts))
        refused = len(counts.duplicates) + len(counts.forgotten)
        self.documents += len(batch.documents) - refused
        self.added += counts.added
        self.new_documents += counts.new_documents
        self.items += counts.new_items
        self.changed += counts.changed
        self.unchanged += counts.unchanged
