"""Writing the records of an extraction as rows, and reading them back."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sqlalchemy import (
    Connection,
    Table,
    select,
)

from ruie.chunking import Range
from ruie.db.bulk import bulk_insert
from ruie.db.canonical import add_names
from ruie.db.chunks import other_chunks
from ruie.db.leased_item import LeasedItem, chunk_span
from ruie.db.models import (
    entities,
    event_arguments,
    events,
    relations,
)
from ruie.db.types import storable
from ruie.names import name_key
from ruie.records import Grounding, Item, Span, Task

TABLES: dict[Task, Table] = {
    Task.NER: entities,
    Task.RE: relations,
    Task.ED: events,
    Task.EAE: event_arguments,
}
_ONE = (("text", "char_start", "char_end", "grounding"),)
_SPANS = {
    Task.NER: _ONE,
    Task.RE: tuple(
        (f"{side}_text", f"{side}_start", f"{side}_end", f"{side}_grounding")
        for side in ("head", "tail")
    ),
    Task.ED: (("trigger_text", "trigger_start", "trigger_end", "grounding"),),
    Task.EAE: _ONE,
}
"""The columns of each task's spans: text, start, end, grounding."""

_KEYS: dict[Task, tuple[str, ...]] = {
    Task.NER: ("name_key",),
    Task.RE: ("head_key", "tail_key"),
    Task.ED: (),  # a trigger is not a name
    Task.EAE: ("name_key",),
}
"""The columns of the names' keys, one for each span."""

_COLUMNS = {
    task: (
        "extraction_id",
        *(("event_id", "role") if task is Task.EAE else ("document_id", "type")),
        *(name for span in spans for name in span),
        *(() if task is Task.EAE else ("shared",)),
        *_KEYS[task],
        "confidence",
    )
    for task, spans in _SPANS.items()
}
"""The columns of each task's rows, in the order of `_row`."""

_INSERT = {task: bulk_insert(TABLES[task], _COLUMNS[task]) for task in Task}
# A migration runs it, with the columns that there are at that revision.
_INSERT_REVIEWED = {task: bulk_insert(TABLES[task], _COLUMNS[task][:-1]) for task in Task}


def write_records(
    conn: Connection, item: LeasedItem, extraction_id: int, items: Sequence[Item]
) -> None:
    """Insert the records of a new extraction, each once, with offsets in the document."""
    others = chunks_around(conn, [(item, items)])
    write_all_records(conn, [(item, extraction_id, items)], others)
    add_names(conn, names_in(item.task, items))


def write_all_records(
    conn: Connection,
    results: Sequence[tuple[LeasedItem, int, Sequence[Item]]],
    others: Mapping[int, Sequence[Range]],
) -> None:
    """Insert the records of new extractions (their ids), without their names. others: of
    `chunks_around`."""
    rows: dict[Task, list[tuple[Any, ...]]] = {}
    for item, extraction_id, items in results:
        owner = item.document_id if item.event_id is None else item.event_id
        source = RecordSource(item.task, extraction_id, owner, item.chunk_start)
        rows.setdefault(item.task, []).extend(_rows(source, items, others.get(item.id, ())))
    for task, listed in rows.items():
        if listed:
            _INSERT[task].run(conn, listed)


def chunks_around(
    conn: Connection, results: Iterable[tuple[LeasedItem, Sequence[Item]]]
) -> dict[int, list[Range]]:
    """By work item the chunks that may have records of its own too."""
    parts = [item for item, items in results if item.part and items and item.task is not Task.EAE]
    places = [
        (item.document_id, (item.chunk_start, item.chunk_start + len(item.text))) for item in parts
    ]
    return dict(zip((item.id for item in parts), other_chunks(conn, places), strict=True))


def names_in(task: Task, items: Sequence[Item]) -> Iterator[str]:
    """The names in records of a task."""
    if _KEYS[task]:
        yield from (span.text for record in items for span in record.spans)


@dataclass(frozen=True, slots=True)
class RecordSource:
    """What records are from. owner: the id of their document, or of arguments' event. at: where the
    text begins that their offsets are in."""

    task: Task
    extraction_id: int
    owner: int
    at: int = 0


def insert_reviewed(
    conn: Connection, source: RecordSource, items: Sequence[Item], others: Sequence[Range] = ()
) -> None:
    """Insert records that a person reviewed, each once, without their names and without confidence.
    others: chunks that may have them too."""
    if rows := _rows(source, items, others):
        _INSERT_REVIEWED[source.task].run(conn, [row[:-1] for row in rows])


def _rows(
    source: RecordSource, items: Sequence[Item], others: Sequence[Range]
) -> list[tuple[Any, ...]]:
    records: dict[Hashable, Item] = {}
    for record in items:
        records.setdefault(_identity(record), record)
    return [_row(source, record, others) for record in records.values()]


def _identity(item: Item) -> Hashable:
    """A record is identified by its type and its spans' offsets, or text where not located."""
    return item.type, *((s.start, s.end) if s.start >= 0 else s.text for s in item.spans)


def _row(source: RecordSource, record: Item, others: Sequence[Range]) -> tuple[Any, ...]:
    spans = (_columns(span, source.at) for span in record.spans)
    shared = () if source.task is Task.EAE else (_shared(source.at, record, others),)
    keys = (name_key(storable(s.text)) for s in record.spans) if _KEYS[source.task] else ()
    return (
        source.extraction_id,
        source.owner,
        storable(record.type),
        *chain.from_iterable(spans),
        *shared,
        *keys,
        record.confidence,
    )


def _shared(at: int, record: Item, others: Sequence[Range]) -> bool:
    """Whether all of its spans are in another chunk of the document too."""
    return all(span.start >= 0 for span in record.spans) and any(
        all(start <= at + span.start and at + span.end <= end for span in record.spans)
        for start, end in others
    )


def _columns(span: Span, chunk_start: int) -> tuple[str, int | None, int | None, str]:
    if span.start < 0:
        return storable(span.text), None, None, Grounding.NONE.value
    return (
        storable(span.text),
        span.start + chunk_start,
        span.end + chunk_start,
        span.grounding.value,
    )


def read_items(conn: Connection, task: Task, extraction_id: int, chunk_start: int) -> list[Item]:
    """The records of an extraction, in the order written, with offsets in its chunk."""
    table = TABLES[task]
    query = select(table).where(table.c.extraction_id == extraction_id).order_by(table.c.id)
    label = "role" if task is Task.EAE else "type"
    items: list[Item] = []
    for row in conn.execute(query).mappings():
        spans = tuple(
            chunk_span(row[span_text], row[start], row[end], row[grounding], chunk_start)
            for span_text, start, end, grounding in _SPANS[task]
        )
        items.append(Item(row[label], spans, row["confidence"]))
    return items
