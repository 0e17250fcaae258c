"""Cancelling items that no worker holds."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, or_, select, update

from ruie.db.item_states import CANCELLED, NOT_SENT, PENDING, RETRY, SUBMITTED, has_any
from ruie.db.models import jobs, provider_requests, work_items
from ruie.db.provider_lines import book_late
from ruie.db.request_states import ANSWERED
from ruie.db.types import utcnow

_WAITING = (PENDING, RETRY, SUBMITTED)
"""The states of an item that no worker holds, and that is yet to be done."""


_WITH_WAITING = select(jobs.c.id).where(
    jobs.c.state == "cancelled", or_(*(has_any(state) for state in _WAITING))
)


def cancel_released(conn: Connection) -> None:
    """Cancel items of jobs that were cancelled while workers held them, and that these released."""
    for job_id in conn.scalars(_WITH_WAITING).all():
        cancel_waiting(conn, work_items.c.job_id == job_id)


def cancel_waiting(conn: Connection, of_items: ColumnElement[bool]) -> None:
    """Cancel those of the items that no worker holds. An answer that came in a batch, and that no
    worker has read, is booked, and kept as one that came too late."""
    unread = (
        select(
            provider_requests.c.id,
            provider_requests.c.work_item_id,
            provider_requests.c.job_id,
            provider_requests.c.model,
            provider_requests.c.endpoint,
            provider_requests.c.batch_id,
            provider_requests.c.cost_nusd,
        )
        .join(work_items, work_items.c.id == provider_requests.c.work_item_id)
        .where(of_items, work_items.c.state == PENDING, provider_requests.c.state == ANSWERED)
        .with_for_update()
    )
    for row in conn.execute(unread).all():
        book_late(conn, row, row.cost_nusd or 0)
        late = update(provider_requests).where(provider_requests.c.id == row.id)
        conn.execute(late.values(state="late"))
    # One statement for each state, which has a small index of its own.
    for state in _WAITING:
        conn.execute(
            update(work_items)
            .where(of_items, work_items.c.state == state)
            .values(state=CANCELLED, updated_at=utcnow(), **NOT_SENT)
        )
