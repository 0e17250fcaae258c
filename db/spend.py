"""Spending within caps: reserved before a call, settled after it.

Every job has an account and every day (UTC, by the database's clock) has one. A reservation is the
most a call can cost; it raises both accounts under their lock, or is denied (db/reservations.py).
When the call has ended, the unused part is written as a refund, which is applied when a reservation
needs it, or else by the coordinator. So saving a result waits for no row that all workers write,
and a crash at any moment leaves the accounts too high, never too low. Amounts are whole billionths
of a US dollar (nusd).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Connection,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from ruie.db.models import jobs, spend_accounts, spend_refunds
from ruie.db.sql import insert_new
from ruie.db.types import utcday

NUSD = 1_000_000_000
"""Billionths in a US dollar."""


def to_nusd(usd: float | None) -> int | None:
    """A cap in billionths of a US dollar; None, which is no cap, stays None."""
    return None if usd is None else round(usd * NUSD)


@dataclass(frozen=True, slots=True)
class Reservation:
    """The most a call can cost, and the day in whose account it is."""

    nusd: int
    day: str


Refund = tuple[str, int]
"""An account, and what it gets back, billionths of a US dollar."""


def unused(job_id: str, reservation: Reservation, cost_nusd: int) -> list[Refund]:
    """What is left of a reservation when its call has ended."""
    left = reservation.nusd - cost_nusd
    return [(reservation.day, left), (job_id, left)] if left else []


def refund(conn: Connection, refunds: Iterable[Refund]) -> None:
    """In the transaction that ends or releases the items whose calls have ended, and only where
    that transaction still held their leases."""
    totals: dict[str, int] = {}
    for account, nusd in refunds:
        totals[account] = totals.get(account, 0) + nusd
    if totals:
        rows = [{"account": account, "nusd": nusd} for account, nusd in totals.items()]
        conn.execute(insert(spend_refunds), rows)


def settle(conn: Connection, job_id: str, reservation: Reservation, cost_nusd: int) -> None:
    """Refund what is left of the reservation of a call that has ended."""
    refund(conn, unused(job_id, reservation, cost_nusd))


def charge(conn: Connection, job_id: str, nusd: int) -> None:
    """Add what was charged although nothing was reserved for it."""
    accounts = [today(conn), job_id]
    apply_refunds(conn, accounts)
    add(conn, accounts, nusd)


def add(conn: Connection, accounts: Iterable[str], nusd: int) -> None:
    """Raise accounts, which are locked."""
    rows = [{"at": account, "total": nusd} for account in sorted(accounts)]
    conn.execute(_ADD, rows)


def accounts_with_refunds(conn: Connection) -> list[str]:
    """Accounts for which refunds are written that are not yet applied."""
    return list(conn.scalars(select(spend_refunds.c.account).distinct()))


def committed_nusd(conn: Connection, account: str) -> int:
    """What a job (its id) or a day has spent and reserved for calls in flight."""
    account_nusd = select(spend_accounts.c.committed_nusd).where(
        spend_accounts.c.account == account
    )
    refunds = select(func.coalesce(func.sum(spend_refunds.c.nusd), 0)).where(
        spend_refunds.c.account == account
    )
    return int(conn.execute(account_nusd).scalar() or 0) - int(conn.execute(refunds).scalar_one())


def resume_within_caps(conn: Connection, day_cap_nusd: int | None) -> list[str]:
    """Resume the jobs that the day's cap paused, once there is room again (another day, or a
    higher cap). Returns their ids."""
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
"""Above this share of the day's cap no job resumes: it would pause again at once."""


def today(conn: Connection) -> str:
    """The date in UTC, by the database's clock."""
    return str(conn.execute(select(utcday())).scalar_one())


_ADD = (
    update(spend_accounts)
    .where(spend_accounts.c.account == bindparam("at"))
    .values(committed_nusd=spend_accounts.c.committed_nusd + bindparam("total", type_=BigInteger))
)


def apply_refunds(conn: Connection, accounts: Sequence[str]) -> dict[str, int]:
    """Lock the accounts and apply their refunds; returns what is committed by account."""
    listed = sorted(accounts)  # the order of `_take`
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
