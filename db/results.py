"""Saving results: the fence, the extraction, its records, and the items that follow from them.

Each function runs the statements of one transaction on the caller's connection, in Core and with
statements built once: every document takes this path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    bindparam,
    case,
    cast,
    select,
    update,
)

from ruie.db.argument_items import Answered, Roles, add_argument_items, lock_documents
from ruie.db.attempts import record_attempt
from ruie.db.bulk import Bulk
from ruie.db.item_states import DONE, HELD, LEASED, NOT_LEASED
from ruie.db.leased_item import Lease, LeasedItem
from ruie.db.models import extractions, work_items
from ruie.db.record_rows import write_records
from ruie.db.sql import insert_new, insert_new_by_dialect
from ruie.db.types import utcnow
from ruie.db.usage_columns import read_columns
from ruie.errors import RuieError
from ruie.modes import Mode
from ruie.records import Item, Reject


@dataclass(frozen=True, slots=True)
class NewExtraction:
    """An answer. key: the idempotency key of its question, prompt_key that of its prompt, hex.
    demonstration_sets: versions of what lay over the bundle. cost_usd: None where no price is
    known. reused_from: the extraction whose answer it is."""

    key: str
    model: str
    endpoint: str
    prompt_version: str
    bundle_digest: str
    schema_digest: str
    demonstration_ids: Sequence[str]
    prompt_tokens: int
    completion_tokens: int
    latency_s: float
    raw_output: str
    rejects: Sequence[Reject] = ()
    cost_usd: float | None = None
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    reused_from: int | None = None
    prompt_key: str | None = None
    demonstration_sets: Sequence[int] = ()
    finish_reason: str | None = None
    provider_batch_id: int | None = None
    """In which batch at the provider it came (db/provider_batches.py)."""
    mode: Mode | None = None
    """How its call was made; None: it was not."""


_HOLD = select(work_items.c.id).where(HELD).with_for_update()
_REVIEWED = work_items.c.review_id.is_not(None)


def _finish(item: Any, extraction: Any) -> Update:
    return (
        update(work_items)
        .where(work_items.c.id == item)
        .values(
            state=DONE,
            # where a review is in force, its records stay in the place of the model's
            extraction_id=case((_REVIEWED, work_items.c.extraction_id), else_=extraction),
            model_extraction_id=case((_REVIEWED, extraction)),
            updated_at=utcnow(),
            error_class=None,
            error=None,
            **NOT_LEASED,
        )
    )


_GIVEN = {"item": work_items.c.id.type, "extraction": work_items.c.extraction_id.type}
FINISH = Bulk.alike(_GIVEN, _finish)
"""Items (ids) are done, each with its extraction."""
_VALUES = [c for c in extractions.c if c.name not in ("id", "source", "review_id")]
CALL_COLUMNS = [column.name for column in _VALUES if column.name != "created_at"]
"""Those of `extraction_row`."""


def _fenced_values(dialect: str) -> Select[Any]:
    """The extraction's values as a row, if the lease is ours. So the fence and the insertion are
    one statement, and the work item stays locked until the transaction ends."""

    def value(column: ColumnElement[Any]) -> ColumnElement[Any]:
        if column.key == "created_at":
            return utcnow()
        parameter = bindparam(column.key, type_=column.type)
        # PostgreSQL takes a selected parameter for text. (SQLite would take JSON for a number.)
        return cast(parameter, column.type) if dialect == "postgresql" else parameter

    return select(*map(value, _VALUES)).where(HELD).with_for_update()


_ADD = {
    dialect: statement.from_select(
        [column.name for column in _VALUES], _fenced_values(dialect)
    ).returning(extractions.c.id)
    for dialect, statement in insert_new_by_dialect(extractions).items()
}
# Locked until the transaction ends: their records are not pruned meanwhile (db/pruning/records.py).
_SAME_CHUNK = (
    select(extractions.c.id)
    .where(
        extractions.c.chunk_id == bindparam("chunk"),
        extractions.c.key == bindparam("key"),
        extractions.c.event_id.is_(None),
    )
    .with_for_update(read=True)
)
_SAME_EVENT = (
    select(extractions.c.id)
    .where(extractions.c.event_id == bindparam("event"), extractions.c.key == bindparam("key"))
    .with_for_update(read=True)
)


def save_result(
    conn: Connection,
    item: LeasedItem,
    extraction: NewExtraction,
    items: Sequence[Item],
    roles: Roles | None = None,
) -> bool:
    """Store a call's result and finish the work item. False, and nothing stored: the lease was
    lost.

    items: spans with offsets in the chunk; they are stored as offsets in the document. roles: for
    ED; each event whose type has roles gets one EAE item. Where the chunk already has a result
    under this key, the item is linked to it and nothing is added.
    """
    return store(conn, item, extraction_row(item, extraction), items, roles)


def keep_result(
    conn: Connection, item: LeasedItem, extraction: NewExtraction, items: Sequence[Item]
) -> bool:
    """Store a call's result although its lease was lost: the worker that has the item now finds it
    under its key (`find_paid`). False: there was one already."""
    values = extraction_row(item, extraction)
    added = insert_new(conn, extractions).values(**values, created_at=utcnow())
    extraction_id = conn.execute(added.returning(extractions.c.id)).scalar()
    if extraction_id is None:
        _record_duplicate(conn, item, values)
        return False
    write_records(conn, item, extraction_id, items)
    return True


def extraction_row(item: LeasedItem, extraction: NewExtraction) -> dict[str, Any]:
    """The extraction's values, except id and time."""
    return {
        "job_id": item.job_id,
        "chunk_id": item.chunk_id,
        "task": str(item.task),
        "event_id": item.event_id,
        "key": extraction.key,
        "prompt_key": extraction.prompt_key,
        "finish_reason": extraction.finish_reason,
        "model": extraction.model,
        "endpoint": extraction.endpoint,
        "prompt_version": extraction.prompt_version,
        "bundle_digest": extraction.bundle_digest,
        "schema_digest": extraction.schema_digest,
        "demonstration_ids": list(extraction.demonstration_ids),
        "demonstration_sets": list(extraction.demonstration_sets) or None,
        "prompt_tokens": extraction.prompt_tokens,
        "completion_tokens": extraction.completion_tokens,
        "cached_tokens": extraction.cached_tokens,
        "cache_write_tokens": extraction.cache_write_tokens,
        "reasoning_tokens": extraction.reasoning_tokens,
        "cost_usd": extraction.cost_usd,
        "latency_s": extraction.latency_s,
        "raw_output": extraction.raw_output,
        "rejects": [{"reason": str(r.reason), "raw": r.raw} for r in extraction.rejects],
        "reused_from": extraction.reused_from,
        "provider_batch_id": extraction.provider_batch_id,
        "mode": extraction.mode,
    }


def holds(conn: Connection, item: LeasedItem) -> bool:
    """Whether the lease is still ours; if so its row is locked until the transaction ends."""
    return conn.execute(_HOLD, {"item": item.id, "token": item.fence}).first() is not None


def hold(conn: Connection, items: Sequence[LeasedItem]) -> set[Lease]:
    """Of these leases those that are still held; their items are locked, in one order everywhere,
    until the transaction ends."""
    held = {(row.id, row.fence) for row in conn.execute(_LEASED, {"items": [i.id for i in items]})}
    return {item.lease for item in items} & held


_LEASED = (
    select(work_items.c.id, work_items.c.fence)
    .where(work_items.c.id.in_(bindparam("items", expanding=True)), work_items.c.state == LEASED)
    .order_by(work_items.c.id)
    .with_for_update()
)


def store(
    conn: Connection,
    item: LeasedItem,
    values: Mapping[str, Any],
    items: Sequence[Item],
    roles: Roles | None,
) -> bool:
    fenced = {**values, "item": item.id, "token": item.fence}
    extraction_id = None
    while extraction_id is None:
        extraction_id = conn.execute(_ADD[conn.dialect.name], fenced).scalar()
        if extraction_id is not None:
            write_records(conn, item, extraction_id, items)
            break
        # the lease was lost, or the key was answered meanwhile or in another job
        if not holds(conn, item):
            return False
        extraction_id = _same(conn, item, values["key"])  # None: its records were pruned just now
        if extraction_id is not None and values["reused_from"] is None:
            _record_duplicate(conn, item, values)
    answered = [Answered(item, extraction_id, roles)]
    lock_documents(conn, answered)
    add_argument_items(conn, answered)
    FINISH.run(conn, [(item.id, extraction_id)])
    return True


def _same(conn: Connection, item: LeasedItem, key: str) -> int | None:
    """The extraction of the same chunk, or event, under this key."""
    if item.event_id is None:
        same = conn.execute(_SAME_CHUNK, {"chunk": item.chunk_id, "key": key})
    else:
        same = conn.execute(_SAME_EVENT, {"event": item.event_id, "key": key})
    return same.scalar_one_or_none()


def _record_duplicate(conn: Connection, item: LeasedItem, values: Mapping[str, Any]) -> None:
    """The call was paid for, although its answer is not stored."""
    record_attempt(
        conn,
        item,
        AnsweredElsewhereError("Another worker answered the same question first."),
        model=values["model"],
        endpoint=values["endpoint"],
        usage=read_columns(values),
        cost_usd=values["cost_usd"],
        provider_batch_id=values["provider_batch_id"],
    )


class AnsweredElsewhereError(RuieError):
    """Never raised: the error_class under which such a call is recorded."""
