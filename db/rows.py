"""Items as rows, and rows as items again: the records of one extraction."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Table, TextClause, bindparam, literal_column, select, text

from db.canonical import add_names
from db.lease import LeasedItem, chunk_span
from db.models import entities, event_arguments, events, relations, work_items
from db.sql import insert_new_by_dialect, pieces
from db.types import storable
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
    Task.ED: (),  # a trigger is no name
    Task.EAE: ("name_key",),
}
"""The columns of the names' keys, a span's each."""

_COLUMNS = {
    task: (
        "extraction_id",
        *(("event_id", "role") if task is Task.EAE else ("document_id", "type")),
        *(name for span in spans for name in span),
        *_KEYS[task],
    )
    for task, spans in _SPANS.items()
}
"""The columns of each task's rows, in the order of `_row`."""

TOGETHER = 16
"""Rows of one statement: a usual document's records cost one round trip, not one each."""


@cache
def _insert(task: Task, rows: int) -> TextClause:
    # Written out, since SQLAlchemy compiles a VALUES list of many rows anew each time.
    names = _COLUMNS[task]
    values = (", ".join(f":{name}_{row}" for name in names) for row in range(rows))
    listed = ", ".join(f"({row})" for row in values)
    return text(f"INSERT INTO {TABLES[task].name} ({', '.join(names)}) VALUES {listed}")


def write_records(
    conn: Connection, item: LeasedItem, extraction_id: int, items: Sequence[Item]
) -> None:
    """Insert the records of a new extraction, each once, with offsets in the document."""
    once: dict[Hashable, Item] = {}
    for found in items:
        once.setdefault(_identity(found), found)
    names = _COLUMNS[item.task]
    for part in pieces(list(once.values()), TOGETHER):
        values = {
            f"{name}_{index}": value
            for index, found in enumerate(part)
            for name, value in zip(names, _row(item, extraction_id, found), strict=True)
        }
        conn.execute(_insert(item.task, len(part)), values)
    if _KEYS[item.task]:
        add_names(conn, (span.text for found in once.values() for span in found.spans))


def _identity(item: Item) -> Hashable:
    """A record is its type and where its spans are; the text alone where they are nowhere."""
    return item.type, *((s.start, s.end) if s.start >= 0 else s.text for s in item.spans)


def _row(item: LeasedItem, extraction_id: int, found: Item) -> tuple[Any, ...]:
    owner = item.event_id if item.task is Task.EAE else item.document_id
    spans = (_columns(span, item.chunk_start) for span in found.spans)
    keys = (name_key(storable(s.text)) for s in found.spans) if _KEYS[item.task] else ()
    return extraction_id, owner, storable(found.type), *chain.from_iterable(spans), *keys


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
            chunk_span(row[words], row[start], row[end], row[grounding], chunk_start)
            for words, start, end, grounding in _SPANS[task]
        )
        items.append(Item(row[label], spans))
    return items


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
    """For ED: one EAE item of this job for each event whose type has roles, where not yet there."""
    types = [name for name, names in (roles or {}).items() if names]
    if item.task is Task.ED and types:
        conn.execute(
            _ADD_ARGUMENT_ITEMS[conn.dialect.name],
            {
                "job": item.job_id,
                "chunk": item.chunk_id,
                "extraction": extraction_id,
                "types": types,
            },
        )
