"""Work items for the arguments of events, which follow from an answer that has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    column,
    exists,
    func,
    literal_column,
    not_,
    select,
)

from ruie.db.bulk import Bulk, Given
from ruie.db.leased_item import LeasedItem
from ruie.db.models import documents, events, extractions, work_items
from ruie.db.sql import insert_new_by_dialect
from ruie.db.types import Json
from ruie.records import Task

Roles = Mapping[str, Sequence[str]]
"""The schema's event types, each with its roles."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An item, the extraction that answers it, and the roles of its job's schema."""

    item: LeasedItem
    extraction_id: int
    roles: Roles | None

    @property
    def types(self) -> list[str]:
        """Of events that have arguments."""
        if self.item.task is not Task.ED:
            return []
        return [name for name, roles in (self.roles or {}).items() if roles]


def lock_documents(conn: Connection, items: Sequence[Answered]) -> None:
    """Before `add_argument_items`. Of two workers that store the same event of two chunks at once,
    the second waits, and sees the first one's."""
    # In one order everywhere, so that they never deadlock.
    if parts := sorted({each.item.document_id for each in items if each.types and each.item.part}):
        conn.execute(_LOCK, {"documents": parts})


def add_argument_items(conn: Connection, items: Sequence[Answered]) -> None:
    """For ED: add an EAE item of the job for each event whose type has roles, unless there is one,
    or one for an equal event of another chunk."""
    for some in _rounds([each for each in items if each.types]):
        rows = [(a.item.job_id, a.item.chunk_id, a.extraction_id, a.types) for a in some]
        _ADD.run(conn, rows)


def _rounds(items: Sequence[Answered]) -> list[list[Answered]]:
    """Each with one chunk of a document at most: what a statement adds it does not see itself."""
    rounds: list[list[Answered]] = []
    seen: dict[tuple[str, int], int] = {}
    for each in items:
        place = (each.item.job_id, each.item.document_id)
        number = seen[place] = seen.get(place, -1) + 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(each)
    return rounds


_LOCK = (
    select(documents.c.id)
    .where(documents.c.id.in_(bindparam("documents", expanding=True)))
    .order_by(documents.c.id)
    .with_for_update(key_share=True)
)
_EAE: ColumnElement[str] = literal_column("'EAE'")


def _wanted(job: Any, chunk: Any, extraction: Any, types: Select[Any]) -> Select[Any]:
    equal, other_item = events.alias("equal"), work_items.alias("other_item")
    # The job has an item for the arguments of an equal event of another chunk.
    has_equal = and_(
        events.c.shared,
        exists().where(
            equal.c.document_id == events.c.document_id,
            equal.c.trigger_start == events.c.trigger_start,
            equal.c.trigger_end == events.c.trigger_end,
            equal.c.type == events.c.type,
            equal.c.shared,
            equal.c.id != events.c.id,
            other_item.c.event_id == equal.c.id,
            other_item.c.event_id.is_not(None),
            other_item.c.job_id == job,
            other_item.c.chunk_id == extractions.c.chunk_id,
            extractions.c.id == equal.c.extraction_id,
            other_item.c.task == _EAE,
        ),
    )
    return (
        select(job, chunk, _EAE, events.c.id)
        .where(events.c.extraction_id == extraction, events.c.type.in_(types), not_(has_equal))
        .order_by(events.c.id)
    )


_COLUMNS = {
    "job": work_items.c.job_id.type,
    "chunk": work_items.c.chunk_id.type,
    "extraction": events.c.extraction_id.type,
    "types": Json(),
}
_TARGET = ["job_id", "chunk_id", "task", "event_id"]
_INSERT = insert_new_by_dialect(work_items)


def _joined(given: Given) -> Any:
    listed = func.json_array_elements_text(given["types"]).table_valued("value", name="listed")
    types = select(listed.c.value)
    row = (given["job"], given["chunk"], given["extraction"])
    return _INSERT["postgresql"].from_select(_TARGET, _wanted(*row, types))


def _one() -> Any:
    job, chunk, extraction, types = (
        bindparam(name, type_=type_) for name, type_ in _COLUMNS.items()
    )
    listed = func.json_each(types).table_valued(column("value"), name="listed")
    return _INSERT["sqlite"].from_select(
        _TARGET, _wanted(job, chunk, extraction, select(listed.c.value))
    )


_ADD = Bulk(_COLUMNS, _joined, _one())
