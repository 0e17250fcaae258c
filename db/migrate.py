"""The database is brought to another version, or checked (db/version.py).

The version's table is `ruie_version`, so that the database may be shared with other programs that
use Alembic.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic import command
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ruie.db import reader, standstill, version
from ruie.db.engine import reading
from ruie.db.outage import error_text
from ruie.db.time_limits import as_long_as_it_takes
from ruie.errors import DatabaseError

_LOCK = 0x72756965  # "ruie", the number of PostgreSQL's advisory lock
_LOOK_S = 0.5

STANDSTILL_S = 90.0
"""Longer than leases usually last (RUIE_LEASE_S): a fleet that was killed is waited for."""

Report = Callable[[str], object]
"""Called with what is at work on the database and waited for, whenever that has changed."""


def _silent(_: str) -> None:
    pass


def upgrade(
    engine: Engine, revision: str = "head", *, wait_s: float = 0.0, report: Report = _silent
) -> str | None:
    """Bring the database to the newest version, in one transaction: all or nothing. Safe to run in
    several processes at once: one migrates, the others wait. Returns the revision that it had.

    wait_s: how long processes that are at work on it may take to end. Raises DatabaseError where
    they have not, and where the database is not ours or newer than this program.
    """

    def migrate(conn: Connection) -> None:
        allowed = reader.readers(conn)
        command.upgrade(version.config(conn), revision)
        if revision == "head":
            reader.grant(conn, allowed)  # to new tables, and to the views, which are made anew

    try:
        return _migrate(engine, revision, migrate, wait_s, report)
    except DBAPIError as error:
        raise DatabaseError(
            f"The database cannot be brought up to date: {error_text(error)}.",
            "Nothing was changed. The database's user must be allowed to create tables and views.",
        ) from error


def downgrade(
    engine: Engine, revision: str = "base", *, wait_s: float = 0.0, report: Report = _silent
) -> None:
    """Take the database back to an older version, likewise; what that has no place for is gone
    (db/losses.py), at base everything. Its views are made by the older program's `upgrade`."""

    def migrate(conn: Connection) -> None:
        command.downgrade(version.config(conn), revision)

    _migrate(engine, revision, migrate, wait_s, report)


def check(engine: Engine) -> None:
    """Raise DatabaseError unless the database is of exactly this program's version."""
    with reading(engine) as conn:
        version.check(conn)


def _migrate(
    engine: Engine,
    target: str,
    migrate: Callable[[Connection], None],
    wait_s: float,
    report: Report,
) -> str | None:
    """Run a migration as soon as nothing is at work on the database."""
    target = version.newest() if target == "head" else target
    deadline = time.monotonic() + wait_s
    waiting_for: list[str] = []
    while True:
        with _migrating(engine) as conn:
            current = version.stored(conn)
            version.refuse_foreign(conn, current)
            busy = [] if current in (None, target) else standstill.begin(conn)
            if not busy:
                migrate(conn)
                return current
        if time.monotonic() >= deadline:
            raise DatabaseError(
                f"The database is in use: {'; '.join(busy)}.",
                "Nothing was changed. Stop coordinators and workers, then repeat the command; what"
                " was killed counts as ended when its lease has run out (RUIE_LEASE_S).",
            )
        if busy != waiting_for:
            waiting_for = busy
            report(f"Waiting until these have ended: {'; '.join(busy)}.")
        time.sleep(_LOOK_S)


@contextmanager
def _migrating(engine: Engine) -> Iterator[Connection]:
    """A transaction that changes tables, one process at a time."""
    if engine.dialect.name == "postgresql":
        with engine.begin() as conn:
            conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            connection: Any = conn.connection.driver_connection
            with as_long_as_it_takes(connection):  # it may rewrite large tables
                yield conn
        return
    # The transaction is the only writer from its beginning. What SQLite cannot alter is copied, and
    # the old table dropped: refused while rows refer to it. Only outside of a transaction can
    # foreign keys be switched off.
    with engine.connect() as conn:
        driver: Any = conn.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")
        try:
            with conn.begin():
                yield conn
        finally:
            driver.execute("PRAGMA foreign_keys=ON")
