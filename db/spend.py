"""Spend, never over its cap: reserved before a call, settled after it.

Every job has an account and every day (UTC, by the database's clock) has one. A reservation is the
most a call can cost; it raises both accounts under their lock, or is refused. Whoever ends the
call writes what it did not use as a refund, which the next reservation takes in. So saving a
result waits for no row that all workers write, and a crash at any moment leaves the accounts too
high, never too low. Amounts are whole billionths of a US dollar (nusd).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from ruie.db.item_states import HELD, LEASED
from ruie.db.leased_item import LeasedItem
from ruie.db.models import jobs, spend_accounts, spend_refunds, work_items
from ruie.db.sql import changed, insert_new
from ruie.db.types import utcnow

NUSD = 1_000_000_000
"""Billionths in a US dollar."""


def to_nusd(usd: float | None) -> int | None:
    """A cap as the accounts know it; None stays None, which is no cap."""
    return None if usd is None else round(usd * NUSD)


@dataclass(frozen=True, slots=True)
class Reservation:
    """The most a call can cost, and the day whose account it stands in."""

    nusd: int
    day: str


@dataclass(frozen=True, slots=True)
class Denied:
    """What could not be reserved. `certain`: no call in flight can bring it back."""

    by: Literal["job_cap", "day_cap"]
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

    Gives the reservations by item id, and why the rest was denied. Items whose lease was lost
    meanwhile are left out.
    """
    day = today(conn)
    cap = conn.execute(select(jobs.c.cap_nusd).where(jobs.c.id == job_id)).scalar_one()
    committed = _take_in(conn, [day, job_id])
    reservations: dict[int, Reservation] = {}
    denied: Denied | None = None
    total = 0
    for item, nusd in wanted:
        for by, most, account in (("job_cap", cap, job_id), ("day_cap", day_cap_nusd, day)):
            if most is not None and committed[account] + total + nusd > most:
                flying = reservations or _outstanding(conn, job_id if by == "job_cap" else day)
                denied = Denied(by, most, committed[account] + total, not flying)  # type: ignore[arg-type]
                break
        if denied:
            break
        held = {"item": item.id, "token": item.fence, "nusd": nusd, "day": day}
        if changed(conn, _RESERVE, held):
            reservations[item.id] = Reservation(nusd, day)
            total += nusd
    if total:
        conn.execute(
            update(spend_accounts)
            .where(spend_accounts.c.account.in_([day, job_id]))
            .values(committed_nusd=spend_accounts.c.committed_nusd + total)
        )
    return reservations, denied


def settle(conn: Connection, job_id: str, reservation: Reservation, cost_nusd: int) -> None:
    """The call has ended and cost so much: refund the rest. In the transaction that ends the item
    or gives it back, and only where that transaction still held the lease."""
    unused = reservation.nusd - cost_nusd
    if unused:
        conn.execute(
            insert(spend_refunds),
            [{"account": account, "nusd": unused} for account in (reservation.day, job_id)],
        )


def committed_nusd(conn: Connection, account: str) -> int:
    """Spent for certain and reserved for calls in flight, of a job (its id) or a day."""
    stood = select(spend_accounts.c.committed_nusd).where(spend_accounts.c.account == account)
    refunds = select(func.coalesce(func.sum(spend_refunds.c.nusd), 0)).where(
        spend_refunds.c.account == account
    )
    return int(conn.execute(stood).scalar() or 0) - int(conn.execute(refunds).scalar_one())


def resume_within_caps(conn: Connection, day_cap_nusd: int | None) -> list[str]:
    """Resume the jobs that the day's cap paused, once there is room again (another day, or a
    higher cap). Gives their ids."""
    waiting = conn.scalars(
        select(jobs.c.id).where(jobs.c.state == "paused", jobs.c.paused_by == "day_cap")
    ).all()
    if not waiting:
        return []
    if day_cap_nusd is not None and committed_nusd(conn, today(conn)) >= _RESUME * day_cap_nusd:
        return []
    conn.execute(
        update(jobs)
        .where(jobs.c.id.in_(waiting), jobs.c.paused_by == "day_cap")
        .values(state="running", reason=None, paused_by=None)
    )
    return list(waiting)


_RESUME = 0.98
"""A day's account above this share of its cap resumes nothing: its jobs would pause at once."""


def today(conn: Connection) -> str:
    """The date in UTC, by the database's clock."""
    return conn.execute(select(utcnow())).scalar_one().strftime("%Y-%m-%d")


_RESERVE = (
    update(work_items)
    .where(HELD)
    .values(reserved_nusd=bindparam("nusd"), reserved_on=bindparam("day"))
)


def _take_in(conn: Connection, accounts: Sequence[str]) -> dict[str, int]:
    """Lock the accounts, add the refunds that have come, and give what is committed."""
    # In one order everywhere: two that reserve for the same accounts wait for each other.
    listed = sorted(accounts)
    conn.execute(
        insert_new(conn, spend_accounts), [{"account": a, "committed_nusd": 0} for a in listed]
    )
    query = (
        select(spend_accounts.c.account, spend_accounts.c.committed_nusd)
        .where(spend_accounts.c.account.in_(listed))
        .order_by(spend_accounts.c.account)
        .with_for_update()
    )
    committed = {row[0]: int(row[1]) for row in conn.execute(query)}
    refunds: dict[str, int] = {}
    for account, nusd in conn.execute(
        delete(spend_refunds)
        .where(spend_refunds.c.account.in_(listed))
        .returning(spend_refunds.c.account, spend_refunds.c.nusd)
    ):
        refunds[account] = refunds.get(account, 0) + int(nusd)
    for account, nusd in refunds.items():
        committed[account] -= nusd
        conn.execute(
            update(spend_accounts)
            .where(spend_accounts.c.account == account)
            .values(committed_nusd=committed[account])
        )
    return committed


def _outstanding(conn: Connection, account: str) -> bool:
    """Whether a call is in flight whose end may bring a refund, or a refund has come since."""
    flying = select(work_items.c.id).where(
        work_items.c.state == LEASED,
        work_items.c.reserved_nusd.is_not(None),
        or_(work_items.c.job_id == account, work_items.c.reserved_on == account),
    )
    come = select(spend_refunds.c.id).where(spend_refunds.c.account == account)
    return any(conn.execute(query.limit(1)).first() is not None for query in (flying, come))


__all__ = [
    "NUSD",
    "Denied",
    "Reservation",
    "committed_nusd",
    "reserve",
    "resume_within_caps",
    "settle",
    "to_nusd",
    "today",
]
