"""Who holds work items, and how long others have waited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from ruie.db.item_states import LEASED, PENDING, RETRY
from ruie.db.models import jobs, work_items
from ruie.db.types import utcnow

LOOKED_AT = 4096
"""The oldest items that wait, of each job and state, are sought among so many with the lowest ids:
items are sent in the order of their ids, and more than are sent at a time cannot have come back."""

LOOKED_AT_UNORDERED = 100_000
"""Items in other states, in any order: where there are more, the oldest may be another one."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A worker process and its items of one job. owner: its name, as in `processes`. since: when
    the first of them was taken. lapses: when the first lease ends, unless it is renewed."""

    owner: str
    job_id: str
    job_name: str
    items: int
    since: datetime
    lapses: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """Items of a running job that no worker holds. pending_s: for how long the oldest of those that
    could be worked on has waited. retry_s: likewise, of those that wait for another attempt. None:
    there is none."""

    job_id: str
    job_name: str
    pending_s: float | None
    retry_s: float | None


def holdings(conn: Connection) -> list[Holding]:
    """By owner and job."""
    query = (
        select(
            work_items.c.lease_owner,
            work_items.c.job_id,
            jobs.c.name,
            func.count(),
            func.min(work_items.c.updated_at),
            func.min(work_items.c.lease_expires),
        )
        .join(jobs, jobs.c.id == work_items.c.job_id)
        .where(work_items.c.state == LEASED, work_items.c.lease_expires > utcnow())
        .group_by(work_items.c.lease_owner, work_items.c.job_id, jobs.c.name)
        .order_by(work_items.c.lease_owner, work_items.c.job_id)
    )
    return [Holding(*row) for row in conn.execute(query)]


def waiting(conn: Connection, limit: int = 50) -> list[Waiting]:
    """Of the newest jobs that run."""
    running = select(jobs.c.id, jobs.c.name).where(jobs.c.state == "running")
    newest = running.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
    return [
        Waiting(row.id, row.name, oldest_s(conn, row.id, PENDING), oldest_s(conn, row.id, RETRY))
        for row in conn.execute(newest).all()
    ]


def oldest_s(conn: Connection, job_id: str, state: ColumnElement[str]) -> float | None:
    """Seconds for which an item of a job has been in a state, the longest; None: there is none."""
    some = select(work_items.c.updated_at).where(
        work_items.c.job_id == job_id, work_items.c.state == state
    )
    if state is PENDING:
        first = some.order_by(work_items.c.id).limit(LOOKED_AT).subquery()
    else:  # there is no index of these by their ids, and SQLite would read all items in that order
        first = some.limit(LOOKED_AT_UNORDERED).subquery()
    since, now = conn.execute(select(func.min(first.c.updated_at), utcnow())).one()
    return None if since is None else max(0.0, (now - since).total_seconds())
