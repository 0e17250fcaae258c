"""Reaping: items whose worker was lost are taken back when their lease has run out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    Select,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from ruie.db.cancelling import cancel_released
from ruie.db.item_states import LEASED, NOT_LEASED, PENDING, QUARANTINED
from ruie.db.leased_item import LeasedItem
from ruie.db.models import attempts, chunks, jobs, work_items
from ruie.db.models import quarantine as quarantined
from ruie.db.sql import changed, insert_new
from ruie.db.totals import Total, add_delta
from ruie.db.types import utcnow

WORKER_LOST = "worker_lost"
"""The error_class of an item whose worker was lost."""
ERROR = "The worker that held this item was lost."


def reap(conn: Connection, max_losses: int) -> tuple[int, int]:
    """Take back the items whose lease ran out; returns (made pending again, quarantined).

    An item that has now lost `max_losses` workers is quarantined as `worker_lost`. Items that a
    worker released after their job was cancelled are cancelled here.
    """
    expired = (
        select(work_items.c.id, work_items.c.losses)
        .where(work_items.c.state == LEASED, work_items.c.lease_expires <= utcnow())
        .with_for_update(skip_locked=True)
    )
    rows = conn.execute(expired).all()
    lost = [row.id for row in rows if row.losses + 1 >= max_losses]
    returned = [row.id for row in rows if row.losses + 1 < max_losses]
    _record_attempts(conn, [*lost, *returned])
    _take_back(conn, returned, PENDING)
    _take_back(conn, lost, QUARANTINED)
    _quarantine(conn, lost)
    if rows:
        add_delta(conn, Total.LOST_LEASES, value=len(rows))
    if lost:
        add_delta(conn, Total.QUARANTINED_ITEMS, WORKER_LOST, len(lost))
    cancel_released(conn)
    return len(returned), len(lost)


def _record_attempts(conn: Connection, ids: Sequence[int]) -> None:
    """It is unknown whether the calls were sent, where to, and whether they were charged: their
    endpoint is null, and the reservation counts as spent."""
    if not ids:
        return
    known = (
        select(
            work_items.c.id.label("work_item_id"),
            work_items.c.job_id,
            work_items.c.attempts.label("attempt"),
            literal(WORKER_LOST).label("error_class"),
            literal(ERROR).label("error"),
            func.coalesce(work_items.c.model, jobs.c.model).label("model"),
            literal(0).label("prompt_tokens"),
            literal(0).label("completion_tokens"),
            literal(0).label("cached_tokens"),
            literal(0).label("cache_write_tokens"),
            literal(0).label("reasoning_tokens"),
            # PostgreSQL divides integers to integers
            (work_items.c.reserved_nusd / literal(1e9, Double())).label("cost_usd"),
            utcnow().label("created_at"),
        )
        .join(jobs, jobs.c.id == work_items.c.job_id)
        .where(work_items.c.id.in_(ids))
    )
    conn.execute(insert(attempts).from_select(_names(known), known, include_defaults=False))


def _take_back(conn: Connection, ids: Sequence[int], state: ColumnElement[str]) -> None:
    """The fence rises too: the worker that held the lease can write nothing from here on."""
    if not ids:
        return
    conn.execute(
        update(work_items)
        .where(work_items.c.id.in_(ids))
        .values(
            state=state,
            fence=work_items.c.fence + 1,
            losses=work_items.c.losses + 1,
            error_class=WORKER_LOST,
            error=ERROR,
            updated_at=utcnow(),
            **NOT_LEASED,
        )
    )


def _quarantine(conn: Connection, ids: Sequence[int]) -> None:
    if not ids:
        return
    known = (
        select(
            work_items.c.id.label("work_item_id"),
            work_items.c.job_id,
            chunks.c.document_id,
            work_items.c.task,
            literal(WORKER_LOST).label("error_class"),
            literal(ERROR).label("error"),
            work_items.c.attempts,
            utcnow().label("created_at"),
        )
        .join(chunks, chunks.c.id == work_items.c.chunk_id)
        .where(work_items.c.id.in_(ids))
    )
    conn.execute(
        insert_new(conn, quarantined).from_select(_names(known), known, include_defaults=False)
    )


def _names(query: Select[Any]) -> list[str]:
    return [column.name for column in query.selected_columns]


def withdraw_lost(conn: Connection, item: LeasedItem) -> bool:
    """Delete the attempt that `reap` recorded for this lease: the worker was not lost and knows how
    the call ended. False: there is no such attempt."""
    recorded = delete(attempts).where(
        attempts.c.work_item_id == item.id,
        attempts.c.attempt == item.attempts,
        attempts.c.error_class == WORKER_LOST,
    )
    return changed(conn, recorded) > 0
