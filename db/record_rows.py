"""Writing the records of an extraction as rows, and reading them back."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import (
    Connection,
    Table,
    TextClause,
    and_,
    bindparam,
    exists,
    literal_column,
    not_,
    select,
    text,
)

from ruie.chunking import Range
from ruie.db.canonical import add_names
from ruie.db.chunks import other_chunks
from ruie.db.leased_item import LeasedItem, chunk_span
from ruie.db.models import (
    documents,
    entities,
    event_arguments,
    events,
    extractions,
    relations,
    work_items,
)
from ruie.db.sql import insert_new_by_dialect, pieces
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
    )
    for task, spans in _SPANS.items()
}
"""The columns of each task's rows, in the order of `_row`."""

ROWS_PER_STATEMENT = 16
"""The records of a usual document cost one round trip, not one each."""


@cache
def _insert(task: Task, rows: int) -> TextClause:
    # As text, since SQLAlchemy compiles a VALUES list of many rows each time it is executed.
    names = _COLUMNS[task]
    values = (", ".join(f":{name}_{row}" for name in names) for row in range(rows))
    listed = ", ".join(f"({row})" for row in values)
    return text(f"INSERT INTO {TABLES[task].name} ({', '.join(names)}) VALUES {listed}")


def write_records(
    conn: Connection, item: LeasedItem, extraction_id: int, items: Sequence[Item]
) -> None:
    """Insert the records of a new extraction, each once, with offsets in the document."""
    write_all_records(conn, [(item, extraction_id, items)])
    add_names(conn, names_in(item.task, items))


def write_all_records(
    conn: Connection, results: Sequence[tuple[LeasedItem, int, Sequence[Item]]]
) -> None:
    """Insert the records of new extractions (their ids), without their names."""
    rows: dict[Task, list[tuple[Any, ...]]] = {}
    for item, extraction_id, items in results:
        owner = item.document_id if item.event_id is None else item.event_id
        others: list[Range] = []
        if item.part and items and item.task is not Task.EAE:
            here = (item.chunk_start, item.chunk_start + len(item.text))
            others = other_chunks(conn, item.document_id, here)
        source = RecordSource(item.task, extraction_id, owner, item.chunk_start)
        rows.setdefault(item.task, []).extend(_rows(source, items, others))
    for task, listed in rows.items():
        _insert_rows(conn, task, listed)


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


def insert_records(
    conn: Connection, source: RecordSource, items: Sequence[Item], others: Sequence[Range] = ()
) -> None:
    """Insert records, each once, without their names. others: chunks that may have them too."""
    _insert_rows(conn, source.task, _rows(source, items, others))


def _rows(
    source: RecordSource, items: Sequence[Item], others: Sequence[Range]
) -> list[tuple[Any, ...]]:
    records: dict[Hashable, Item] = {}
    for record in items:
        records.setdefault(_identity(record), record)
    return [_row(source, record, others) for record in records.values()]


def _insert_rows(conn: Connection, task: Task, rows: Sequence[tuple[Any, ...]]) -> None:
    names = _COLUMNS[task]
    for part in pieces(rows, ROWS_PER_STATEMENT):
        values = {
            f"{name}_{index}": value
            for index, row in enumerate(part)
            for name, value in zip(names, row, strict=True)
        }
        conn.execute(_insert(task, len(part)), values)


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
        items.append(Item(row[label], spans))
    return items


_equal = events.alias("equal")
_other_item = work_items.alias("other_item")
# The job has an item for the arguments of an equal event of another chunk.
_HAS_EQUAL = and_(
    events.c.shared,
    exists().where(
        _equal.c.document_id == events.c.document_id,
        _equal.c.trigger_start == events.c.trigger_start,
        _equal.c.trigger_end == events.c.trigger_end,
        _equal.c.type == events.c.type,
        _equal.c.shared,
        _equal.c.id != events.c.id,
        _other_item.c.event_id == _equal.c.id,
        _other_item.c.event_id.is_not(None),
        _other_item.c.job_id == bindparam("job", type_=work_items.c.job_id.type),
        _other_item.c.chunk_id == extractions.c.chunk_id,
        extractions.c.id == _equal.c.extraction_id,
        _other_item.c.task == literal_column("'EAE'"),
    ),
)
# Of two workers that store the same event at once, the second waits, and sees the first one's.
_LOCK = (
    select(documents.c.id)
    .where(documents.c.id == bindparam("document"))
    .with_for_update(key_share=True)
)
_ADD_ARGUMENT_ITEMS = {
    dialect: statement.from_select(
        ["job_id", "chunk_id", "task", "event_id"],
        select(
            bindparam("job", type_=work_items.c.job_id.type),
            bindparam("chunk", type_=work_items.c.chunk_id.type),
            literal_column("'EAE'"),
            events.c.id,
        )
        .where(
            events.c.extraction_id == bindparam("extraction"),
            events.c.type.in_(bindparam("types", expanding=True)),
            not_(_HAS_EQUAL),
        )
        .order_by(events.c.id),
    )
    for dialect, statement in insert_new_by_dialect(work_items).items()
}


def add_argument_items(
    conn: Connection,
    item: LeasedItem,
    extraction_id: int,
    roles: Mapping[str, Sequence[str]] | None,
) -> None:
    """For ED: add an EAE item of this job for each event whose type has roles, unless there is one,
    or one for an equal event of another chunk."""
    types = [name for name, names in (roles or {}).items() if names]
    if item.task is Task.ED and types:
        if item.part:
            conn.execute(_LOCK, {"document": item.document_id})
        conn.execute(
            _ADD_ARGUMENT_ITEMS[conn.dialect.name],
            {
                "job": item.job_id,
                "chunk": item.chunk_id,
                "extraction": extraction_id,
                "types": types,
            },
        )
