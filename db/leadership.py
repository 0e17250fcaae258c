"""Electing a leader among several coordinators, by a lease in SQL with a fencing token.

A leader that was frozen until its lease ran out finds a higher token when it goes on: `check`
refuses it inside the transaction in which it tries to act.
"""

from __future__ import annotations

from sqlalchemy import Connection, or_, select, update

from ruie.db import version
from ruie.db.models import leadership
from ruie.db.sql import changed, insert_new
from ruie.db.types import utcnow
from ruie.errors import DatabaseError

COORDINATOR = "coordinator"


class NotLeadingError(DatabaseError):
    """Another process leads."""


def lead(conn: Connection, holder: str, ttl_s: float) -> int | None:
    """Take or keep the lead for `ttl_s` seconds; returns the token, or None if another leads.
    Raises `DatabaseVersionError` where the database has become that of another version."""
    conn.execute(insert_new(conn, leadership), {"role": COORDINATOR, "holder": None, "token": 0})
    mine = leadership.c.holder == holder
    free = or_(leadership.c.holder.is_(None), leadership.c.expires < utcnow())
    kept = changed(
        conn,
        update(leadership)
        .where(leadership.c.role == COORDINATOR, mine, leadership.c.expires >= utcnow())
        .values(expires=utcnow(ttl_s)),
    )
    taken = kept
    if not kept:
        taken = changed(
            conn,
            update(leadership)
            .where(leadership.c.role == COORDINATOR, free)
            .values(holder=holder, token=leadership.c.token + 1, expires=utcnow(ttl_s)),
        )
    version.require(conn)
    if not taken:
        return None
    token: int = conn.execute(
        select(leadership.c.token).where(leadership.c.role == COORDINATOR)
    ).scalar_one()
    return token


def check(conn: Connection, holder: str, token: int) -> None:
    """Lock the leadership for this transaction. Raises `NotLeadingError` if another has it."""
    statement = (
        select(leadership.c.token)
        .where(
            leadership.c.role == COORDINATOR,
            leadership.c.holder == holder,
            leadership.c.token == token,
        )
        .with_for_update()
    )
    if conn.execute(statement).first() is None:
        raise NotLeadingError("Another coordinator leads.")


def keep(conn: Connection, holder: str, token: int, ttl_s: float) -> None:
    """`check`, and lead for another `ttl_s` seconds from now."""
    kept = changed(
        conn,
        update(leadership)
        .where(
            leadership.c.role == COORDINATOR,
            leadership.c.holder == holder,
            leadership.c.token == token,
        )
        .values(expires=utcnow(ttl_s)),
    )
    if not kept:
        raise NotLeadingError("Another coordinator leads.")


def advise(conn: Connection, processes: int) -> None:
    """Say how many worker processes could be fed now. After `check`."""
    conn.execute(
        update(leadership)
        .where(leadership.c.role == COORDINATOR)
        .values(useful_processes=processes, useful_at=utcnow())
    )


def resign(conn: Connection, holder: str, token: int) -> None:
    """Give the leadership up, so that another can take it at once."""
    conn.execute(
        update(leadership)
        .where(leadership.c.holder == holder, leadership.c.token == token)
        .values(holder=None)
    )
