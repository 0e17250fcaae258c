"""Which records of a document are confident enough."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from ruie.db.record_pages import (
    ArgumentRecord,
    DocumentRecords,
    EntityRecord,
    EventRecord,
    RelationRecord,
)
from ruie.errors import UsageError
from ruie.worker.export.rows import Counts

Stated = TypeVar("Stated", EntityRecord, RelationRecord, EventRecord, ArgumentRecord)


def confident(
    documents: Iterable[DocumentRecords], least: float | None, counts: Counts
) -> Iterator[DocumentRecords]:
    """The documents with the records whose confidence is at least `least` (None: with all of them),
    and with those of people. An event goes with its arguments. Those that are left out are counted,
    and so are those among them of which none is known. Raises `UsageError`."""
    if least is not None and not 0 <= least <= 1:
        raise UsageError(f"No confidence is {least}.", "It is between 0 and 1.")
    counts.least = least
    return _confident(documents, least, counts)


def _confident(
    documents: Iterable[DocumentRecords], least: float | None, counts: Counts
) -> Iterator[DocumentRecords]:
    for document in documents:
        yield document if least is None else _of(document, least, counts)


def _of(document: DocumentRecords, least: float, counts: Counts) -> DocumentRecords:
    def kept(records: Iterable[Stated]) -> tuple[Stated, ...]:
        return tuple(each for each in records if _is_kept(each, least, counts))

    events = kept(document.events)
    return replace(
        document,
        entities=kept(document.entities),
        relations=kept(document.relations),
        events=tuple(
            event if event.source != "model" else replace(event, arguments=kept(event.arguments))
            for event in events
        ),
    )


def _is_kept(
    record: EntityRecord | RelationRecord | EventRecord | ArgumentRecord,
    least: float,
    counts: Counts,
) -> bool:
    if not isinstance(record, ArgumentRecord) and record.source != "model":
        return True
    if record.confidence is not None and record.confidence >= least:
        return True
    counts.doubtful += 1
    counts.unrated += record.confidence is None
    return False
