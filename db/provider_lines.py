"""What comes back for the requests of a batch: lines are stored and settled, and what had none
goes back. The states of a request are drawn in db/provider_requests.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from ruie.db import spend
from ruie.db.forgotten_requests import is_forgotten
from ruie.db.item_states import PENDING, SUBMITTED
from ruie.db.models import attempts, jobs, provider_requests, work_items
from ruie.db.provider_requests import AT_A_TIME, packed, remove
from ruie.db.request_states import SENT, WAITING
from ruie.db.sql import changed, pieces
from ruie.db.types import utcnow

LATE_ANSWER = "late_answer"
"""The error_class under which the cost of a late answer is booked."""
BATCH_LOST = "batch_lost"
"""Likewise, of requests in a batch that the provider has lost."""
ALONE = "standard"
"""The mode of an item that is asked one by one in a job that asks in batches."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that came back for a request. answer: as the provider sent it. cost_nusd: None where
    nobody says: then it is the most that it can have cost."""

    request_id: int
    answer: Mapping[str, Any]
    cost_nusd: int | None
    failed: bool = False


def store_lines(conn: Connection, batch_id: int, lines: Sequence[Line]) -> tuple[int, int]:
    """Store what came back for a batch, settle what it cost, and make the items pending, for
    workers to read their answers. A line that was stored before, or that nobody asked for, changes
    nothing; of a forgotten document it is booked and not kept. Returns how many answers and how
    many errors were new."""
    by_id = {line.request_id: line for line in lines}
    rows = [
        row
        for some in pieces(list(by_id))
        for row in conn.execute(_SENT, {"batch": batch_id, "ids": list(some)})
    ]
    if not rows:
        return 0, 0
    refunds: dict[tuple[str, str], int] = {}
    stored, returned, forgotten = [], [], []
    for row in rows:
        line = by_id[row.id]
        reserved = row.reserved_nusd or 0
        cost = reserved if line.cost_nusd is None else line.cost_nusd
        if row.reserved_on is not None:
            account = (row.job_id, row.reserved_on)
            refunds[account] = refunds.get(account, 0) + reserved - cost
        if row.wanted:
            returned.append(row.work_item_id)
        else:
            book_late(conn, row, cost)
        if is_forgotten(row.key):
            forgotten.append(row.id)
            continue
        stored.append(
            {"request": row.id, "answer": packed(line.answer), "cost": cost,
             "new_state": "answered" if row.wanted else "late"}
        )  # fmt: skip  # one row
    if stored:
        conn.execute(_STORE, stored)
    remove(conn, forgotten)
    for some in pieces(returned):
        conn.execute(
            update(work_items)
            .where(work_items.c.id.in_(some), work_items.c.state == SUBMITTED)
            .values(state=PENDING, updated_at=utcnow())
        )
    _refund(conn, refunds)
    failed = sum(by_id[row.id].failed for row in rows)
    return len(rows) - failed, failed


def return_unanswered(conn: Connection, batch_id: int, alone: Collection[str] = ()) -> int:
    """Of a batch that has ended: requests for which no line came. They cost nothing, and their
    items go back. alone: jobs whose items are asked one by one from here on. At most so many
    in one transaction; returns how many: 0 when none is left."""
    query = _OPEN.where(provider_requests.c.batch_id == batch_id, provider_requests.c.state == SENT)
    return _give_back(conn, conn.execute(query.limit(AT_A_TIME)).all(), alone)


def return_unwanted(conn: Connection) -> int:
    """Requests that wait for a batch, and whose item was cancelled. As `return_unanswered`."""
    unwanted = work_items.c.state != SUBMITTED
    query = _OPEN.join(work_items, work_items.c.id == provider_requests.c.work_item_id).where(
        provider_requests.c.state == WAITING, unwanted
    )
    return _give_back(conn, conn.execute(query.limit(AT_A_TIME)).all())


def return_waiting(conn: Connection, job_id: str) -> int:
    """Requests of a job that wait for a batch: it asks in another way now. As
    `return_unanswered`."""
    query = _OPEN.where(provider_requests.c.job_id == job_id, provider_requests.c.state == WAITING)
    return _give_back(conn, conn.execute(query.limit(AT_A_TIME)).all())


def wait_again(conn: Connection, batch_id: int) -> int:
    """Of a batch that was refused for its size: its requests wait for another one. As
    `return_unanswered`."""
    some = (
        select(provider_requests.c.id)
        .where(provider_requests.c.batch_id == batch_id, provider_requests.c.state == SENT)
        .limit(AT_A_TIME)
    )
    ids = list(conn.scalars(some))
    wait = update(provider_requests).where(provider_requests.c.id.in_(ids))
    return changed(conn, wait.values(state="waiting", batch_id=None)) if ids else 0


def give_up(conn: Connection, batch_id: int, error: str) -> int:
    """Of a batch that the provider has lost: its requests may have been charged, so that what was
    reserved for them counts as spent, and their items go back. As `return_unanswered`."""
    query = _OPEN.where(provider_requests.c.batch_id == batch_id, provider_requests.c.state == SENT)
    rows = conn.execute(query.limit(AT_A_TIME)).all()
    for row in rows:
        _record(
            conn, row.work_item_id, row.job_id, row.model, row.endpoint, BATCH_LOST, error,
            row.reserved_nusd or 0, batch_id,
        )  # fmt: skip  # one row
    if rows:
        held = [{"item": row.work_item_id, "token": row.fence} for row in rows]
        conn.execute(_RETURN, held)
        remove(conn, [row.id for row in rows])
    return len(rows)


def release_items(conn: Connection, batch_id: int, alone: Collection[str]) -> int:
    """Items of these jobs, in a batch that nobody waits for any longer, go back to be asked one by
    one; what they were asked stays reserved until the batch has ended. Returns how many."""
    wanted = (
        select(work_items.c.id)
        .join(provider_requests, provider_requests.c.work_item_id == work_items.c.id)
        .where(
            provider_requests.c.batch_id == batch_id,
            provider_requests.c.state == SENT,
            provider_requests.c.job_id.in_(alone),
            work_items.c.state == SUBMITTED,
            work_items.c.fence == provider_requests.c.fence,
        )
    )
    back = update(work_items).where(work_items.c.id.in_(wanted))
    return changed(conn, back.values(state=PENDING, updated_at=utcnow(), mode=ALONE))


def book(
    conn: Connection, item_id: int, error_class: str, error: str, cost_nusd: int, batch_id: int
) -> bool:
    """Book what a line of a batch cost that was nobody's, and for which nothing was reserved.
    False: there is no such item any more."""
    row = conn.execute(_ITEM, {"item": item_id}).one_or_none()
    if row is None:
        return False
    if cost_nusd:
        _record(conn, item_id, row.job_id, row.model, None, error_class, error, cost_nusd, batch_id)
        spend.charge(conn, row.job_id, cost_nusd)
    return True


def book_late(conn: Connection, request: Any, cost: int) -> None:
    """Record what the answer cost that nobody waits for any more. request: its row."""
    error = "The answer came when the item was cancelled, or asked in another way."
    _record(
        conn, request.work_item_id, request.job_id, request.model, request.endpoint, LATE_ANSWER,
        error, cost, request.batch_id,
    )  # fmt: skip  # one row


def _record(
    conn: Connection,
    item_id: int,
    job_id: str,
    model: str,
    endpoint: str | None,
    error_class: str,
    error: str,
    cost: int,
    batch_id: int,
) -> None:
    conn.execute(
        insert(attempts).values(
            work_item_id=item_id,
            job_id=job_id,
            attempt=select(work_items.c.attempts)
            .where(work_items.c.id == item_id)
            .scalar_subquery(),
            error_class=error_class,
            error=error,
            model=model,
            endpoint=endpoint,
            cost_usd=cost / spend.NUSD,
            provider_batch_id=batch_id,
        )
    )


def _give_back(conn: Connection, rows: Sequence[Any], alone: Collection[str] = ()) -> int:
    if not rows:
        return 0
    refunds: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.reserved_on is not None:
            account = (row.job_id, row.reserved_on)
            refunds[account] = refunds.get(account, 0) + row.reserved_nusd
    for statement, some in (
        (_RETURN.values(mode=ALONE), [row for row in rows if row.job_id in alone]),
        (_RETURN, [row for row in rows if row.job_id not in alone]),
    ):
        if some:
            held = [{"item": row.work_item_id, "token": row.fence} for row in some]
            conn.execute(statement, held)
    remove(conn, [row.id for row in rows])
    _refund(conn, refunds)
    return len(rows)


def _refund(conn: Connection, refunds: Mapping[tuple[str, str], int]) -> None:
    for (job_id, day), nusd in refunds.items():
        spend.settle(conn, job_id, spend.Reservation(nusd, day), 0)


_RETURN = (
    update(work_items)
    .where(
        work_items.c.id == bindparam("item"),
        work_items.c.fence == bindparam("token"),
        work_items.c.state == SUBMITTED,
    )
    .values(state=PENDING, updated_at=utcnow())
)
_SENT = (
    select(
        provider_requests.c.id,
        provider_requests.c.work_item_id,
        provider_requests.c.job_id,
        provider_requests.c.model,
        provider_requests.c.endpoint,
        provider_requests.c.batch_id,
        provider_requests.c.key,
        provider_requests.c.reserved_nusd,
        provider_requests.c.reserved_on,
        (
            (work_items.c.state == SUBMITTED) & (work_items.c.fence == provider_requests.c.fence)
        ).label("wanted"),
    )
    .join(work_items, work_items.c.id == provider_requests.c.work_item_id)
    .where(
        provider_requests.c.id.in_(bindparam("ids", expanding=True)),
        provider_requests.c.batch_id == bindparam("batch"),
        provider_requests.c.state == SENT,
    )
    .with_for_update()
)
_STORE = (
    update(provider_requests)
    .where(provider_requests.c.id == bindparam("request"))
    .values(
        state=bindparam("new_state"),
        answer=bindparam("answer"),
        cost_nusd=bindparam("cost"),
        reserved_nusd=None,
        reserved_on=None,
    )
)
_OPEN = select(
    provider_requests.c.id,
    provider_requests.c.work_item_id,
    provider_requests.c.job_id,
    provider_requests.c.fence,
    provider_requests.c.model,
    provider_requests.c.endpoint,
    provider_requests.c.reserved_nusd,
    provider_requests.c.reserved_on,
).order_by(provider_requests.c.id)
_ITEM = (
    select(work_items.c.job_id, func.coalesce(work_items.c.model, jobs.c.model).label("model"))
    .join(jobs, jobs.c.id == work_items.c.job_id)
    .where(work_items.c.id == bindparam("item"))
)
