"""What goes on now: how fast a job is, its last error, and who holds work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, or_, select

from ruie.db.item_states import DONE, LEASED, QUARANTINED
from ruie.db.leadership import COORDINATOR
from ruie.db.models import attempts, leadership, quarantine, work_items
from ruie.db.processes import count_alive
from ruie.db.types import utcnow

WINDOW_S = 300.0
"""The rate is that of the items which ended within these last seconds."""
LOOKED_AT = 20_000
"""Of these the last ones, if there are more: a fast job is not read for longer than a slow one."""
SHORTEST_S = 5.0
"""With less to go by, there is no rate yet."""


@dataclass(frozen=True, slots=True)
class LastError:
    """The last call of a job that failed, or item that was given up."""

    at: datetime
    error_class: str
    error: str


@dataclass(frozen=True, slots=True)
class Activity:
    """rate_per_minute: items that ended; None where too few did to tell. read_at: by the database's
    clock."""

    rate_per_minute: float | None
    last_error: LastError | None
    read_at: datetime

    def seconds_left(self, open_items: int) -> float | None:
        """Until this many items have ended, at this rate; None where that is not known."""
        if not open_items or not self.rate_per_minute:
            return None
        return 60 * open_items / self.rate_per_minute


@dataclass(frozen=True, slots=True)
class Alive:
    """Who works, as far as the database knows: a coordinator renews its lead every few seconds, and
    a worker process the leases of its items; and every process says now and then that it is there
    (`ruie.db.processes`).

    coordinator: host, process id and a random part, of the one that leads; None: none does.
    processes: of workers that hold items. held: these items. sent: items that were sent to workers
    and that none has taken. workers: worker processes that hold items or have said lately that they
    are there. standing_by: coordinators that are there and do not lead.
    """

    coordinator: str | None
    processes: int
    held: int
    sent: int
    workers: int
    standing_by: int


def activity(conn: Connection, job_id: str) -> Activity:
    """How fast a job is, and its last error."""
    at = work_items.c.updated_at
    ended = (
        select(at)
        .where(
            work_items.c.job_id == job_id,
            or_(work_items.c.state == DONE, work_items.c.state == QUARANTINED),  # as the index
            at > utcnow(-WINDOW_S),
        )
        .order_by(at.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    count, first, now = conn.execute(
        select(func.count(), func.min(ended.c.updated_at), utcnow())
    ).one()
    seconds = (now - first).total_seconds() if first is not None else 0.0
    rate = 60 * count / seconds if count > 1 and seconds >= SHORTEST_S else None
    return Activity(rate, _last_error(conn, job_id), now)


def _last_error(conn: Connection, job_id: str) -> LastError | None:
    """Of the failed calls and of the items given up: an item whose worker was lost had no call."""
    found = [
        conn.execute(
            select(table.c.created_at, table.c.error_class, table.c.error)
            .where(table.c.job_id == job_id)
            .order_by(table.c.id.desc())
            .limit(1)
        ).one_or_none()
        for table in (attempts, quarantine)
    ]
    errors = [LastError(*row) for row in found if row is not None]
    return max(errors, key=lambda error: error.at, default=None)


def alive(conn: Connection) -> Alive:
    """Who works now."""
    coordinator = conn.execute(
        select(leadership.c.holder).where(
            leadership.c.role == COORDINATOR,
            leadership.c.holder.is_not(None),
            leadership.c.expires >= utcnow(),
        )
    ).scalar()
    processes, held = conn.execute(
        select(func.count(work_items.c.lease_owner.distinct()), func.count()).where(
            work_items.c.state == LEASED, work_items.c.lease_expires > utcnow()
        )
    ).one()
    sent = conn.execute(
        # Not by the state too, which is pending: SQLite might read all that are.
        select(func.count()).where(
            work_items.c.batch.is_not(None), work_items.c.dispatched_until > utcnow()
        )
    ).scalar_one()
    there = {"worker": 0, "coordinator": 0}
    for (kind, _), count in count_alive(conn).items():
        there[kind] += count
    standing_by = max(0, there["coordinator"] - (coordinator is not None))
    workers = max(processes, there["worker"])
    return Alive(coordinator, processes, held, sent, workers, standing_by)
