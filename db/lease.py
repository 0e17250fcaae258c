"""Leasing work items, and the ways a lease ends without a result: released, retried, quarantined.

Each function but `lease` identifies the item by its id and the lease's fencing token: where a later
lease exists, it changes nothing, and its result says so. All times are the database's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    case,
    delete,
    func,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from ruie.db import version
from ruie.db.attempts import error_columns
from ruie.db.bulk import Bulk
from ruie.db.item_states import (
    HELD,
    LEASED,
    LEASES,
    NOT_LEASED,
    NOT_SENT,
    PENDING,
    QUARANTINED,
    RETRY,
    held,
)
from ruie.db.leased_item import NO_OVERRIDES, LeasedItem, Overrides, read_leased
from ruie.db.models import attempts, extractions, jobs, quarantine, work_items
from ruie.db.sql import changed
from ruie.db.totals import Total, add_delta
from ruie.db.types import utcnow
from ruie.db.usage_columns import FROM_MODEL, made_alone

SAVED_S = 5.0
"""An answer may have waited so long, in a busy worker, until it was saved."""


def lease(conn: Connection, batch_id: str, owner: str, ttl_s: float) -> list[LeasedItem]:
    """Lease the batch's items that are still pending, for `ttl_s` seconds.

    Returns an empty list for a second delivery of the same message, for a batch that was sent again
    under another id, and where the job is paused or cancelled.
    """
    # PostgreSQL: a second transaction skips the locked rows, and later sees them leased.
    # SQLite: the transaction has been the only writer since it began.
    # What a message names is pending. The statement does not say so: with statistics of before a
    # job came, PostgreSQL takes all that is pending for a few rows, and reads it for each of them.
    mine = (
        select(work_items.c.id)
        .join(jobs, jobs.c.id == work_items.c.job_id)
        .where(work_items.c.batch == batch_id, jobs.c.state == "running")
        .with_for_update(of=work_items, skip_locked=True)
        .cte("mine")
    )
    taken = conn.execute(
        update(work_items)
        .where(work_items.c.id == mine.c.id)
        .values(
            state=LEASED,
            fence=work_items.c.fence + 1,
            attempts=work_items.c.attempts + 1,
            **NOT_SENT,
            lease_owner=owner,
            lease_expires=utcnow(ttl_s),
            updated_at=utcnow(),
        )
        .returning(work_items.c.id)
    ).scalars()
    ids = list(taken)
    version.require(conn)
    return read_leased(conn, ids)


def renew(conn: Connection, owner: str, items: Sequence[LeasedItem], ttl_s: float) -> set[int]:
    """Hold the items for another `ttl_s` seconds; returns the ids of those whose lease is still
    the one that `items` name. The same owner may have an item again under a later lease."""
    if not items:
        return set()
    mine = (
        select(work_items.c.id)
        .where(
            work_items.c.id.in_([item.id for item in items]),
            work_items.c.state == LEASED,
            work_items.c.lease_owner == owner,
        )
        .order_by(work_items.c.id)  # as those that save lock them: else the two may deadlock
        .with_for_update()
    )
    statement = (
        update(work_items)
        .where(work_items.c.id.in_(mine))
        .values(lease_expires=utcnow(ttl_s))
        .returning(work_items.c.id, work_items.c.fence)
    )
    held = {(row.id, row.fence) for row in conn.execute(statement)}
    return {item.id for item in items if (item.id, item.fence) in held}


def release(conn: Connection, items: Sequence[LeasedItem], delay_s: float = 0.0) -> set[int]:
    """Return items as if they had not been leased, to be sent again after `delay_s` seconds.
    Returns the ids of those that were still held."""
    if delay_s > 0:
        rows = _DEFER.read(conn, [(item.id, item.fence, delay_s) for item in items])
    else:
        rows = _RELEASE.read(conn, [(item.id, item.fence) for item in items])
    return {row.id for row in rows}


def _released(item: Any, token: Any, delay: Any = None) -> ReturningUpdate[Any]:
    waits = {"state": PENDING} if delay is None else {"state": RETRY, "not_before": utcnow(delay)}
    values = {"attempts": work_items.c.attempts - 1, "updated_at": utcnow(), **NOT_LEASED, **waits}
    return update(work_items).where(held(item, token)).values(values).returning(work_items.c.id)


_RELEASE = Bulk.alike(LEASES, _released)
_DEFER = Bulk.alike({**LEASES, "delay": Double()}, _released)


def defer_batch(conn: Connection, batch_id: str, delay_s: float) -> None:
    """Send a batch that was not leased again after `delay_s` seconds."""
    conn.execute(
        update(work_items)
        .where(work_items.c.batch == batch_id)  # so it is pending, as in `lease`
        .values(dispatched_until=utcnow(delay_s))
    )


def class_waits(conn: Connection, priorities: Collection[int]) -> bool:
    """Whether a batch of one of these classes was sent and not yet leased."""
    sent = (
        select(work_items.c.id)
        .join(jobs, jobs.c.id == work_items.c.job_id)
        .where(
            work_items.c.batch.is_not(None),  # so it is pending; by the state SQLite might read all
            jobs.c.state == "running",
            jobs.c.priority.in_(priorities),
        )
    )
    return conn.execute(sent.limit(1)).first() is not None


def retry(
    conn: Connection,
    item: LeasedItem,
    delay_s: float,
    error: BaseException,
    *,
    counts: bool,
    overrides: Overrides = NO_OVERRIDES,
    throttled: int = 0,
) -> bool:
    """Retry the item after `delay_s` seconds. counts: whether this attempt is one of those allowed.
    overrides: added to those that the item has. throttled: as `count_throttled` returned.

    False, and nothing changed: the lease was lost.
    """
    return _end(
        conn,
        item,
        error,
        state=RETRY,
        not_before=utcnow(max(0.0, delay_s)),
        attempts=work_items.c.attempts - (0 if counts else 1),
        throttled=throttled,
        **overrides.given(),
    )


def count_throttled(conn: Connection, item: LeasedItem) -> int:
    """How often the item was refused for a rate limit, this time included, while others were
    answered."""
    last = (
        select(extractions.c.created_at)
        .where(FROM_MODEL, made_alone(extractions))
        .order_by(extractions.c.id.desc())
        .limit(1)
    )
    answered_since = last.scalar_subquery() > work_items.c.updated_at  # since it was leased
    counted = work_items.c.throttled + case((answered_since, 1), else_=0)
    return int(conn.execute(select(counted).where(work_items.c.id == item.id)).scalar_one())


def give_back_attempts(conn: Connection, error_classes: Sequence[str]) -> None:
    """Items that failed in these ways since the last call that was answered was sent have those
    attempts back, in all jobs: what failed was not theirs. An answer that was on its way meanwhile
    does not say that the endpoint was there."""
    last = conn.execute(
        select(extractions.c.created_at, extractions.c.latency_s)
        .where(FROM_MODEL, made_alone(extractions))
        .order_by(extractions.c.id.desc())
        .limit(1)
    ).first()
    since = true()
    if last is not None:
        sent = last.created_at - timedelta(seconds=last.latency_s + SAVED_S)
        since = attempts.c.created_at > sent
    failed = (
        select(func.count())
        .select_from(attempts)
        .where(
            attempts.c.work_item_id == work_items.c.id,
            attempts.c.error_class.in_(error_classes),
            since,
        )
        .scalar_subquery()
    )
    for state in (PENDING, RETRY, LEASED):  # each has a small index of its own
        conn.execute(
            update(work_items)
            .where(
                work_items.c.state == state,
                work_items.c.error_class.in_(error_classes),
                work_items.c.attempts > 0,
            )
            .values(
                attempts=case(
                    (work_items.c.attempts > failed, work_items.c.attempts - failed), else_=0
                )
            )
        )


def quarantine_item(
    conn: Connection,
    item: LeasedItem,
    error: BaseException,
    *,
    raw_output: str | None = None,
    prompt: Sequence[dict[str, Any]] | None = None,
) -> bool:
    """Give an item up, with what is known about it. prompt: the messages. False: the lease was
    lost."""
    if not _end(conn, item, error, state=QUARANTINED):
        return False
    conn.execute(delete(quarantine).where(quarantine.c.work_item_id == item.id))
    conn.execute(
        insert(quarantine).values(
            work_item_id=item.id,
            job_id=item.job_id,
            document_id=item.document_id,
            task=str(item.task),
            raw_output=raw_output,
            prompt=None if prompt is None else list(prompt),
            attempts=item.attempts,
            **error_columns(error),
        )
    )
    add_delta(conn, Total.QUARANTINED_ITEMS, error_columns(error)["error_class"])
    return True


def _end(
    conn: Connection, item: LeasedItem, error: BaseException, **values: ColumnElement[Any] | int
) -> bool:
    statement = (
        update(work_items)
        .where(HELD)
        .values(updated_at=utcnow(), **error_columns(error), **NOT_LEASED, **values)
    )
    return changed(conn, statement, {"item": item.id, "token": item.fence}) == 1
