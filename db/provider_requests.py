"""Requests that wait for a batch at the provider, are in one, or came back from it.

    waiting ─cut─▶ sent ─its line came─▶ answered ─read by a worker─▶ (deleted)
       │             │         └─ its item is no longer submitted ─▶ late
       └─────────────┴─ nothing came, or nobody wants it any more ─▶ (deleted, its item pending)

What a request can cost is reserved when it is built, by the transaction that submits its item, and
settled by the one that stores its answer. So an account is never too low, whoever dies when.

A late answer is of an item that was cancelled, or asked in another way meanwhile: it was paid for,
is booked as a failed call, and kept under the key of its question for whoever asks the same.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from ruie.db import reservations, spend
from ruie.db.bulk import Bulk
from ruie.db.item_states import LEASES, NOT_LEASED, SUBMITTED, held
from ruie.db.leased_item import LeasedItem
from ruie.db.models import provider_requests, work_items
from ruie.db.request_states import ANSWERED, LATE, SENT, WAITING
from ruie.db.sql import pieces
from ruie.db.types import utcnow

AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request of an item that is leased. body: what is sent; question: what reading the answer
    takes; both plain JSON values. most_nusd: the most that it can cost; None: no price is known, or
    it costs nothing."""

    item: LeasedItem
    key: str
    endpoint: str
    model: str
    body: Mapping[str, Any]
    question: Mapping[str, Any]
    prompt_tokens: int
    most_nusd: int | None


@dataclass(frozen=True, slots=True)
class Answered:
    """A request with the line that answers it. late: it came too late for its own item."""

    id: int
    item_id: int
    batch_id: int
    key: str
    endpoint: str
    model: str
    question: dict[str, Any]
    answer: dict[str, Any]
    cost_nusd: int
    late: bool = False


def submit(
    conn: Connection, job_id: str, wanted: Sequence[NewRequest], day_cap_nusd: int | None
) -> tuple[set[int], reservations.Denied | None]:
    """Reserve for the requests, and store them, as far as the caps leave room. Returns the ids of
    the items that are submitted by it, and why others were denied. An item whose lease was lost is
    left out."""
    priced = [(each.item, each.most_nusd) for each in wanted if each.most_nusd is not None]
    reserved, denied = (
        reservations.reserve(conn, job_id, priced, day_cap_nusd) if priced else ({}, None)
    )
    affordable = [each for each in wanted if each.most_nusd is None or each.item.id in reserved]
    leases = [(each.item.id, each.item.fence) for each in affordable]
    submitted = {row.id for row in _SUBMIT.read(conn, leases)}
    rows = [
        _row(job_id, each, reserved.get(each.item.id))
        for each in affordable
        if each.item.id in submitted
    ]
    if rows:
        conn.execute(insert(provider_requests), rows)
    return submitted, denied


def _row(job_id: str, wanted: NewRequest, reservation: spend.Reservation | None) -> dict[str, Any]:
    body = json.dumps(wanted.body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return {
        "work_item_id": wanted.item.id,
        "job_id": job_id,
        "fence": wanted.item.fence,
        "key": wanted.key,
        "endpoint": wanted.endpoint,
        "model": wanted.model,
        "body": zlib.compress(body),
        "question": packed(wanted.question),
        "size": len(body),
        "prompt_tokens": wanted.prompt_tokens,
        "reserved_nusd": reservation.nusd if reservation else None,
        "reserved_on": reservation.day if reservation else None,
    }


def bodies(conn: Connection, batch_id: int) -> Iterator[tuple[int, int, bytes]]:
    """The requests of a batch, in the order of their ids: id, item, and the body as JSON. Those of
    forgotten documents are left out."""
    last = 0
    while True:
        rows = conn.execute(_BODIES, {"batch": batch_id, "last": last}).all()
        for row in rows:
            if row.body:
                yield row.id, row.work_item_id, zlib.decompress(row.body)
        if len(rows) < AT_A_TIME:
            return
        last = rows[-1].id


def answered(conn: Connection, item_ids: Sequence[int]) -> dict[int, Answered]:
    """What was answered to these items and is yet to be read, by item."""
    if not item_ids:
        return {}
    rows = conn.execute(_ANSWERED, {"items": list(item_ids)})
    return {row.work_item_id: _answered(row) for row in rows}


def late(conn: Connection, keys: Sequence[str]) -> dict[str, Answered]:
    """Answers that came too late for their own items, by the key of their question."""
    if not keys:
        return {}
    return {row.key: _answered(row) for row in conn.execute(_LATE, {"keys": list(keys)})}


def asked(conn: Connection, keys: Sequence[str]) -> set[str]:
    """Those of the keys whose question waits in, or for, a batch, of whatever job."""
    if not keys:
        return set()
    return set(conn.scalars(_ASKED, {"keys": list(keys)}))


def remove(conn: Connection, request_ids: Iterable[int]) -> None:
    """What has been read. In the transaction that ends the items."""
    for some in pieces(list(request_ids)):
        conn.execute(delete(provider_requests).where(provider_requests.c.id.in_(some)))


def any_kept(conn: Connection) -> bool:
    """Whether there is any request: a fleet that sends no batches asks no more than that."""
    return conn.execute(select(provider_requests.c.id).limit(1)).first() is not None


def any_waiting(conn: Connection) -> bool:
    """Whether any request waits for a batch."""
    query = select(provider_requests.c.id).where(provider_requests.c.state == WAITING)
    return conn.execute(query.limit(1)).first() is not None


def unanswered(conn: Connection, batch_id: int) -> int:
    """How many requests of a batch have no line yet."""
    query = select(func.count()).where(
        provider_requests.c.batch_id == batch_id, provider_requests.c.state == SENT
    )
    return int(conn.execute(query).scalar_one())


def waiting(conn: Connection, limit: int) -> int:
    """How many requests wait for a batch, counted up to so many."""
    some = select(provider_requests.c.id).where(provider_requests.c.state == WAITING).limit(limit)
    return int(conn.execute(select(func.count()).select_from(some.subquery())).scalar_one())


def packed(values: Mapping[str, Any]) -> bytes:
    """As it is stored."""
    return zlib.compress(json.dumps(values).encode())


def _answered(row: Any) -> Answered:
    return Answered(
        id=row.id,
        item_id=row.work_item_id,
        batch_id=row.batch_id,
        key=row.key,
        endpoint=row.endpoint,
        model=row.model,
        question=json.loads(zlib.decompress(row.question)),
        answer=json.loads(zlib.decompress(row.answer)),
        cost_nusd=row.cost_nusd,
        late=row.state == "late",
    )


def _submit(item: Any, token: Any) -> ReturningUpdate[Any]:
    submit = update(work_items).where(held(item, token))
    return submit.values(
        state=SUBMITTED,
        attempts=work_items.c.attempts - 1,  # counted when its answer is read
        updated_at=utcnow(),
        **NOT_LEASED,
    ).returning(work_items.c.id)


_SUBMIT = Bulk.alike(LEASES, _submit)
_BODIES = (
    select(provider_requests.c.id, provider_requests.c.work_item_id, provider_requests.c.body)
    .where(
        provider_requests.c.batch_id == bindparam("batch"),
        provider_requests.c.id > bindparam("last"),
        provider_requests.c.state == SENT,
    )
    .order_by(provider_requests.c.id)
    .limit(AT_A_TIME)
)
_ANSWERED = select(provider_requests).where(
    provider_requests.c.work_item_id.in_(bindparam("items", expanding=True)),
    provider_requests.c.state == ANSWERED,
)
_ASKED = select(provider_requests.c.key).where(
    provider_requests.c.key.in_(bindparam("keys", expanding=True)),
    provider_requests.c.state != LATE,
)
_LATE = select(provider_requests).where(
    provider_requests.c.key.in_(bindparam("keys", expanding=True)),
    provider_requests.c.state == LATE,
)
