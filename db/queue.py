"""The queue of work items: dispatch, and the functions of other modules that work on it.

The states of an item are drawn in db/item_states.py.

Every function takes a Connection in a transaction that the caller commits. All times are the
database's, never this machine's.
"""

from __future__ import annotations

import itertools
import math
import secrets
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select, update

from ruie.db.attempts import record_attempt
from ruie.db.enqueue import EnqueueCounts, NewDocument, enqueue_documents
from ruie.db.item_states import LEASED, NOT_SENT, PENDING, RETRY
from ruie.db.lease import (
    class_waits,
    count_throttled,
    defer_batch,
    lease,
    release,
    renew,
    retry,
)
from ruie.db.lease import quarantine_item as quarantine
from ruie.db.leased_item import NO_OVERRIDES, LeasedItem, Overrides
from ruie.db.models import jobs, provider_requests, work_items
from ruie.db.reaper import WORKER_LOST, reap, withdraw_lost
from ruie.db.request_states import ANSWERED
from ruie.db.sql import changed
from ruie.db.types import utcnow

__all__ = [
    "ALONE_FROM",
    "NO_OVERRIDES",
    "WITHOUT_CALLS",
    "WORKER_LOST",
    "Batch",
    "EnqueueCounts",
    "LeasedItem",
    "NewDocument",
    "Overrides",
    "class_waits",
    "classes",
    "count_throttled",
    "defer_batch",
    "dispatch",
    "enqueue_documents",
    "in_flight",
    "lease",
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
"""After so many lost workers, an item is alone in its batch and in the process that has it."""


WITHOUT_CALLS = 4
"""So many times as large is a batch whose items make no call each, as they are asked in batches at
the provider: it takes no longer than one of calls, and each batch costs some round trips."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of `items` work items of one job, named by one message."""

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
    without_calls: Collection[str] = (),
    held_back: Collection[str] = (),
    processes: int = 0,
) -> list[Batch]:
    """Put at most `limit` items, oldest first, into batches to send; they stay pending.

    job_id: of this job alone, or of all that run (priority: of this class), by priority and age.
    without_calls: jobs whose batches are `WITHOUT_CALLS` times as large.
    held_back: jobs of which only items with an answer from a batch are sent (db/batch_jobs.py).
    processes: of workers, among which the rest of a job is divided evenly; 0: not known.
    ttl_s: seconds after which the items of a batch that was not leased are dispatched again. An
    item whose worker was lost goes into a batch of half the size, and after its second loss into
    one of its own, so that a document that kills its worker is identified, and no other item is
    quarantined along with it.
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
    names = _batch_names(conn)
    left = limit
    for job, its_priority in conn.execute(running).all():
        if left <= 0:
            break
        waiting = _waiting(job)
        if job in held_back:
            waiting = waiting.where(work_items.c.id.in_(_answered(job)))
        rows = conn.execute(waiting.limit(left)).all()
        rest = len(rows) < left
        left -= len(rows)
        most = batch_size * (WITHOUT_CALLS if job in without_calls else 1)
        sizes = _even(len(rows), most, processes) if rest and processes else repeat(most)
        for ids in _group(((row[0], row[1]) for row in rows), sizes):
            batch = Batch(next(names), job, len(ids), its_priority)
            conn.execute(
                update(work_items)
                .where(work_items.c.id.in_(ids))
                .values(batch=batch.id, dispatched_until=utcnow(ttl_s))
            )
            batches.append(batch)
    return batches


def _waiting(job_id: str) -> Select[Any]:
    """Items of a job that no message names, oldest first; they are locked."""
    return (
        select(work_items.c.id, work_items.c.losses)
        .where(
            work_items.c.job_id == job_id,
            work_items.c.state == PENDING,
            or_(work_items.c.batch.is_(None), work_items.c.dispatched_until <= utcnow()),
        )
        .order_by(work_items.c.id)
        .with_for_update(skip_locked=True)
    )


def _batch_names(conn: Connection) -> Iterator[str]:
    """Names that sort as the batches are sent, by the database's clock, whichever coordinator sends
    them: `ruie.db.sent_batches` compares them."""
    now = conn.execute(select(utcnow())).scalar_one()
    sent_at = int(now.timestamp() * 1000)
    for number in itertools.count():
        yield f"{sent_at:012x}{number:08x}{secrets.token_hex(6)}"


def _answered(job_id: str) -> Select[int]:
    """The items of a job whose answers came in a batch, and are yet to be read."""
    return select(provider_requests.c.work_item_id).where(
        provider_requests.c.job_id == job_id, provider_requests.c.state == ANSWERED
    )


def _release_due(conn: Connection) -> None:
    conn.execute(
        update(work_items)
        .where(work_items.c.state == RETRY, work_items.c.not_before <= utcnow())
        .values(state=PENDING, not_before=None)
    )


def _even(items: int, most: int, processes: int) -> Iterator[int]:
    """The sizes of batches of at most `most` items of which each process has as many as the others:
    else some would still be at work when the others have nothing left. They are taken in turns, so
    the larger ones come first: 320 items of 4 processes are 80 for each, and not 81 for three."""
    each = math.ceil(items / (processes * most))
    size, larger = divmod(items, processes * each) if items else (most, 0)
    return chain(repeat(size + 1, larger), repeat(max(1, size)))


def _group(rows: Iterable[tuple[int, int]], sizes: Iterator[int]) -> list[list[int]]:
    """Ids in batches, of items that were lost as often. sizes: of the batches, one after the other;
    an item that was lost allows a smaller one."""
    open_batches: dict[int, tuple[list[int], int]] = {}
    batches: list[list[int]] = []
    for item, losses in rows:
        if losses not in open_batches:
            fits = 1 if losses >= ALONE_FROM else max(1, next(sizes) >> losses)
            open_batches[losses] = ([], fits)
            batches.append(open_batches[losses][0])
        batch, fits = open_batches[losses]
        batch.append(item)
        if len(batch) >= fits:
            del open_batches[losses]
    return batches


def in_flight(conn: Connection) -> dict[int, int]:
    """The number of items that are dispatched or leased, by their job's priority: what the window
    limits."""
    sent = (work_items.c.batch.is_not(None)) & (work_items.c.dispatched_until > utcnow())
    counts: dict[int, int] = {}
    # One query for each condition, which has a small index of its own.
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
    """The priorities of the running jobs, the highest first."""
    running = select(jobs.c.priority).where(jobs.c.state == "running").distinct()
    return sorted(conn.scalars(running), reverse=True)


def undispatch(conn: Connection) -> int:
    """Make every batch that was sent and not leased undispatched again, since Redis lost its
    message. Returns the number of items."""
    return changed(
        conn,
        update(work_items).where(work_items.c.batch.is_not(None)).values(**NOT_SENT),
    )
