"""Batches whose messages were sent and not taken in time: lost, or not yet at their turn."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from ruie.db.models import jobs, work_items
from ruie.db.sql import changed
from ruie.db.types import utcnow

_LATE = (
    # So they are pending: by the state too, PostgreSQL might read all that wait in a large job.
    work_items.c.batch.is_not(None),
    work_items.c.dispatched_until <= utcnow(),
)
_LATE_CLASSES = (
    select(jobs.c.priority)
    .join(work_items, work_items.c.job_id == jobs.c.id)
    .where(jobs.c.state == "running", *_LATE)
    .distinct()
)


def late_classes(conn: Connection) -> list[int]:
    """The classes of jobs that have batches which were not taken in time."""
    return list(conn.scalars(_LATE_CLASSES))


def await_turn(conn: Connection, priority: int, next_batch: str, ttl_s: float) -> int:
    """Give the late batches of a class that cannot have had their turn another `ttl_s` seconds;
    returns the number of items. next_batch: whose message is taken next; those that were sent after
    it, which their names tell, still wait as well."""
    of_class = select(jobs.c.id).where(jobs.c.priority == priority)
    return changed(
        conn,
        update(work_items)
        .where(*_LATE, work_items.c.batch >= next_batch, work_items.c.job_id.in_(of_class))
        .values(dispatched_until=utcnow(ttl_s)),
    )
