"""Reserving the most that calls can cost, in the accounts of their job and of the day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Connection,
    String,
    Update,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from ruie.db.bulk import Bulk
from ruie.db.item_states import LEASED, LEASES, held
from ruie.db.leased_item import Lease, LeasedItem
from ruie.db.models import jobs, provider_requests, spend_accounts, spend_refunds, work_items
from ruie.db.spend import Reservation, add, apply_refunds
from ruie.db.sql import changed
from ruie.db.types import utcday

Cap = Literal["job_cap", "day_cap"]


@dataclass(frozen=True, slots=True)
class Denied:
    """A cap that left no room. `certain`: no call in flight can make room by a refund."""

    by: Cap
    cap_nusd: int
    committed_nusd: int
    certain: bool


def reserve(
    conn: Connection,
    job_id: str,
    wanted: Sequence[tuple[LeasedItem, int]],
    day_cap_nusd: int | None = None,
) -> tuple[dict[int, Reservation], Denied | None]:
    """Reserve for as many of `wanted` (items with nusd), in order, as the caps leave room for.

    Returns the reservations by item id, and why the rest was denied. Items whose lease was lost
    meanwhile are left out.
    """
    rows = [(item.id, item.fence, nusd) for item, nusd in wanted]
    leased = {row.id: row.reserved_on for row in _RESERVE.read(conn, rows)}
    if not leased:
        return {}, None
    day = max(leased.values())  # of one statement, or of the moment after midnight
    amounts = [(item.id, nusd) for item, nusd in wanted if item.id in leased]
    # SQLite has one writer anyway, and takes the rows of an UPDATE one after the other.
    if conn.dialect.name == "postgresql":
        # The accounts are locked last: whoever else reserves waits for the commit alone.
        total = sum(nusd for _, nusd in amounts)
        most = _NO_CAP if day_cap_nusd is None else day_cap_nusd
        taken = {"job": job_id, "day": day, "total": total, "day_cap": most}
        if changed(conn, _TAKE, taken) == 2:
            return {item: Reservation(nusd, day) for item, nusd in amounts}, None
    cap = conn.execute(_CAP, {"job": job_id}).scalar_one()
    caps: tuple[tuple[Cap, int | None, str], ...] = (
        ("job_cap", cap, job_id),
        ("day_cap", day_cap_nusd, day),
    )
    return _reserve_some(conn, caps, amounts, day)


def of_items(conn: Connection, items: Sequence[LeasedItem]) -> dict[Lease, Reservation]:
    """What is reserved for the calls of items, by the leases under which it was. The items are
    locked until the transaction ends."""
    rows = conn.execute(_OF_ITEMS, {"items": [item.id for item in items]}) if items else ()
    return {
        (row.id, row.fence): Reservation(row.reserved_nusd, row.reserved_on)
        for row in rows
        if row.reserved_on is not None
    }


def _reserve_some(
    conn: Connection,
    caps: Sequence[tuple[Cap, int | None, str]],
    amounts: Sequence[tuple[int, int]],
    day: str,
) -> tuple[dict[int, Reservation], Denied | None]:
    """As `reserve`, where there may be room for all only with the refunds, or not at all."""
    accounts = [account for _, _, account in caps]
    committed = apply_refunds(conn, accounts)
    reservations: dict[int, Reservation] = {}
    total, full = 0, None
    for item, nusd in amounts:
        over = (
            (by, most, account)
            for by, most, account in caps
            if most is not None and committed[account] + total + nusd > most
        )
        if full := next(over, None):
            break
        reservations[item] = Reservation(nusd, day)
        total += nusd
    if others := [item for item, _ in amounts if item not in reservations]:
        conn.execute(_FREE, {"items": others})
    if total:
        add(conn, accounts, total)
    if full is None:
        return reservations, None
    by, most, account = full
    pending = bool(reservations) or _refund_possible(conn, account)
    return reservations, Denied(by, most, committed[account] + total, not pending)


def _refund_possible(conn: Connection, account: str) -> bool:
    """Whether a call in flight may still be refunded, or a refund waits to be applied."""
    in_flight = select(work_items.c.id).where(
        work_items.c.state == LEASED,
        work_items.c.reserved_nusd.is_not(None),
        or_(work_items.c.job_id == account, work_items.c.reserved_on == account),
    )
    in_batches = select(provider_requests.c.id).where(
        provider_requests.c.reserved_nusd.is_not(None),
        or_(provider_requests.c.job_id == account, provider_requests.c.reserved_on == account),
    )
    refunds = select(spend_refunds.c.id).where(spend_refunds.c.account == account)
    possible = (in_flight, in_batches, refunds)
    return any(conn.execute(query.limit(1)).first() is not None for query in possible)


_CAP = select(jobs.c.cap_nusd).where(jobs.c.id == bindparam("job", type_=String))


def _reserve(item: Any, token: Any, nusd: Any) -> ReturningUpdate[Any]:
    reserve = update(work_items).where(held(item, token))
    reserve = reserve.values(reserved_nusd=nusd, reserved_on=utcday())
    return reserve.returning(work_items.c.id, work_items.c.reserved_on)


_RESERVED = {**LEASES, "nusd": work_items.c.reserved_nusd.type}
_RESERVE = Bulk.alike(_RESERVED, _reserve)
_OF_ITEMS = (
    select(
        work_items.c.id,
        work_items.c.fence,
        work_items.c.reserved_nusd,
        work_items.c.reserved_on,
    )
    .where(work_items.c.id.in_(bindparam("items", expanding=True)), work_items.c.state == LEASED)
    .order_by(work_items.c.id)
    .with_for_update()
)
_FREE = (
    update(work_items)
    .where(work_items.c.id.in_(bindparam("items", expanding=True)))
    .values(reserved_nusd=None, reserved_on=None)
)
_NO_CAP = 2**63 - 1


def _take() -> Update:
    """Adds `total` to both accounts if both have room for it; changes two rows or none."""
    job, day = bindparam("job", type_=String), bindparam("day", type_=String)
    account, total = spend_accounts.c.account, bindparam("total", type_=BigInteger)
    both = (
        select(account, spend_accounts.c.committed_nusd)
        .where(account.in_([job, day]))
        # In one order everywhere, so that two that reserve for the same accounts never deadlock.
        .order_by(account)
        .with_for_update()
        .cte("both")
    )
    job_cap = func.coalesce(_CAP.scalar_subquery(), _NO_CAP)
    most = case((both.c.account == job, job_cap), else_=bindparam("day_cap", type_=BigInteger))
    with_room = select(func.count()).where(both.c.committed_nusd <= most - total)
    return (
        update(spend_accounts)
        .where(account == both.c.account, with_room.scalar_subquery() == 2)
        .values(committed_nusd=spend_accounts.c.committed_nusd + total)
    )


_TAKE = _take()
