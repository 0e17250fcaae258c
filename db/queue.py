"""The queue of work items (db/item_states.py), under one name: what coordinator and workers do.

Every function takes a Connection in a transaction that the caller commits. All times are the
database's, never this machine's.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select, update

from ruie.db.attempts import record_attempt
from ruie.db.enqueue import EnqueueCounts, NewDocument, enqueue_documents
from ruie.db.item_states import LEASED, NOT_SENT, PENDING, RETRY
from ruie.db.lease import lease, others_wait, put_back, release, renew, retry
from ruie.db.lease import quarantine_item as quarantine
from ruie.db.leased_item import NO_OVERRIDES, LeasedItem, Overrides
from ruie.db.models import jobs, work_items
from ruie.db.reaper import WORKER_LOST, reap, withdraw_lost
from ruie.db.sql import changed
from ruie.db.types import utcnow

__all__ = [
    "ALONE_FROM",
    "NO_OVERRIDES",
    "WORKER_LOST",
    "Batch",
    "EnqueueCounts",
    "LeasedItem",
    "NewDocument",
    "Overrides",
    "classes",
    "dispatch",
    "enqueue_documents",
    "in_flight",
    "lease",
    "others_wait",
    "put_back",
    "quarantine",
    "reap",
    "record_attempt",
    "release",
    "renew",
    "retry",
    "undispatch",
    "withdraw_lost",
]

ALONE_FROM = 2
"""From so many lost workers on, an item is alone in its batch and in the process that has it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one message names: `items` work items of one job."""

    id: str
    job_id: str
    items: int
    priority: int = 0


def dispatch(
    conn: Connection,
    job_id: str | None,
    limit: int,
    batch_size: int,
    ttl_s: float,
    *,
    priority: int | None = None,
) -> list[Batch]:
    """Name at most `limit` items, oldest first, in batches to send; they stay pending.

    job_id: of this job alone, or of all that run (priority: of this class), by priority and age.
    ttl_s: seconds after which a batch that nobody leased is named again. An item whose worker was
    lost travels in a batch of half the size, and from its second loss on alone, so that a document
    that kills its worker is found, and nothing is quarantined for its company.
    """
    _release_due(conn)
    running = (
        select(jobs.c.id, jobs.c.priority)
        .where(jobs.c.state == "running")
        .order_by(jobs.c.priority.desc(), jobs.c.created_at, jobs.c.id)
    )
    if job_id is not None:
        running = running.where(jobs.c.id == job_id)
    if priority is not None:
        running = running.where(jobs.c.priority == priority)
    batches: list[Batch] = []
    left = limit
    for job, its_priority in conn.execute(running).all():
        if left <= 0:
            break
        rows = conn.execute(
            select(work_items.c.id, work_items.c.losses)
            .where(
                work_items.c.job_id == job,
                work_items.c.state == PENDING,
                or_(work_items.c.batch.is_(None), work_items.c.dispatched_until <= utcnow()),
            )
            .order_by(work_items.c.id)
            .limit(left)
            .with_for_update(skip_locked=True)
        ).all()
        left -= len(rows)
        for ids in _group(((row[0], row[1]) for row in rows), batch_size):
            batch = Batch(uuid.uuid4().hex, job, len(ids), its_priority)
            conn.execute(
                update(work_items)
                .where(work_items.c.id.in_(ids))
                .values(batch=batch.id, dispatched_until=utcnow(ttl_s))
            )
            batches.append(batch)
    return batches


def _release_due(conn: Connection) -> None:
    conn.execute(
        update(work_items)
        .where(work_items.c.state == RETRY, work_items.c.not_before <= utcnow())
        .values(state=PENDING, not_before=None)
    )


def _group(rows: Iterable[tuple[int, int]], size: int) -> list[list[int]]:
    """Ids in batches of equals: as many losses, as few companions."""
    open_: dict[int, list[int]] = {}
    full: list[list[int]] = []
    for item, losses in rows:
        fits = 1 if losses >= ALONE_FROM else max(1, size >> losses)
        batch = open_.setdefault(fits, [])
        if not batch:
            full.append(batch)
        batch.append(item)
        if len(batch) >= fits:
            del open_[fits]
    return full


def in_flight(conn: Connection) -> dict[int, int]:
    """Items that a message names or a worker holds, by their job's priority: what the bounded
    window bounds."""
    sent = (work_items.c.batch.is_not(None)) & (work_items.c.dispatched_until > utcnow())
    counts: dict[int, int] = {}
    # One condition a query: each is looked up in its own, small index.
    for condition in (sent, work_items.c.state == LEASED):
        by_priority = (
            select(jobs.c.priority, func.count())
            .join_from(work_items, jobs, jobs.c.id == work_items.c.job_id)
            .where(condition)
            .group_by(jobs.c.priority)
        )
        for priority, count in conn.execute(by_priority):
            counts[priority] = counts.get(priority, 0) + count
    return counts


def classes(conn: Connection) -> list[int]:
    """The priorities of the jobs that run, the highest first."""
    running = select(jobs.c.priority).where(jobs.c.state == "running").distinct()
    return sorted(conn.scalars(running), reverse=True)


def undispatch(conn: Connection) -> int:
    """Forget every message that was sent and not leased: Redis lost them. Gives the items."""
    return changed(
        conn,
        update(work_items).where(work_items.c.batch.is_not(None)).values(**NOT_SENT),
    )
