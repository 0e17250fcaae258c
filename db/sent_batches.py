"""Batches whose messages were sent and not taken in time: lost, or not yet at their turn."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, update

from ruie.db.item_states import PENDING
from ruie.db.models import jobs, work_items
from ruie.db.sql import changed
from ruie.db.types import utcnow

_OVERDUE = (
    select(jobs.c.priority)
    .join(work_items, work_items.c.job_id == jobs.c.id)
    .where(
        jobs.c.state == "running",
        work_items.c.batch.is_not(None),
        work_items.c.state == PENDING,
        work_items.c.dispatched_until <= utcnow(),
    )
    .distinct()
)


def overdue(conn: Connection) -> list[int]:
    """The classes of jobs that have batches which were not taken in time."""
    return list(conn.scalars(_OVERDUE))


def await_turn(conn: Connection, priority: int, waiting: Sequence[str], ttl_s: float) -> int:
    """Give the batches of a class that cannot have had their turn another `ttl_s` seconds; returns
    the number of items. waiting: batches whose messages are the next to be taken, the first one
    first. Messages are taken in the order in which they were sent."""
    sent = conn.execute(
        select(work_items.c.batch, func.min(work_items.c.dispatched_until))
        .where(work_items.c.batch.in_(waiting), work_items.c.state == PENDING)
        .group_by(work_items.c.batch)
    )
    times = {row[0]: row[1] for row in sent}
    # A message whose batch was sent again, or is no longer wanted, tells no time.
    first = next((times[batch] for batch in waiting if batch in times), None)
    if first is None:
        return 0
    of_class = select(jobs.c.id).where(jobs.c.priority == priority)
    return changed(
        conn,
        update(work_items)
        .where(
            work_items.c.batch.is_not(None),
            work_items.c.state == PENDING,
            work_items.c.dispatched_until <= utcnow(),
            work_items.c.dispatched_until >= first,
            work_items.c.job_id.in_(of_class),
        )
        .values(dispatched_until=utcnow(ttl_s)),
    )
