"""Which errors of a database are waited out, and which are told at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine
from support.databases import Server
from support.waiting import wait_until

from ruie.db.engine import database_url, open_engine
from ruie.db.outage import Outage, is_away, retry_during_outage
from ruie.errors import DatabaseError

RANDOM = "".join(chr(0x4E00 + (i * i * 7919 + i * 104729) % 20000) for i in range(4000))
"""12,000 bytes that cannot be compressed."""


@pytest.fixture
def postgresql(postgresql_server: Server) -> Any:
    url = postgresql_server.current()
    engine = open_engine(url)
    yield engine
    engine.dispose()
    postgresql_server.drop(url)


def raised(work: Callable[[], object]) -> Exception:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def running(engine: Engine, *statements: str, **values: object) -> Exception:
    def work() -> None:
        with engine.begin() as conn:
            for statement in statements:
                conn.exec_driver_sql(statement, values or None)

    return raised(work)


LONG: dict[str, object] = {"long": RANDOM}
PERMANENT: dict[str, tuple[list[str], dict[str, object]]] = {
    "54000": (["INSERT INTO canonical VALUES (%(long)s, 'x', 'x', false)"], LONG),
    "22001": (["INSERT INTO spend_accounts VALUES (%(long)s, 0)"], LONG),
    "42P01": (["SELECT * FROM nothing_here"], {}),
    "42501": (["CREATE ROLE nobody_at_all", "SET ROLE nobody_at_all", "SELECT * FROM jobs"], {}),
    "25006": (["SET TRANSACTION READ ONLY", "UPDATE jobs SET name = 'x'"], {}),
    "22012": (["SELECT 1 / 0"], {}),
}


@pytest.mark.parametrize("code", PERMANENT)
def test_what_repeating_does_not_cure_is_no_outage(postgresql: Engine, code: str) -> None:
    statements, values = PERMANENT[code]
    error = running(postgresql, *statements, **values)
    assert getattr(error.orig, "sqlstate", None) == code  # type: ignore[attr-defined]  # of any driver
    assert not is_away(error)


def test_a_connection_that_the_server_ended_is_an_outage(postgresql: Engine) -> None:
    def work() -> None:
        with postgresql.connect() as conn:
            (pid,) = conn.exec_driver_sql("SELECT pg_backend_pid()").one()
            with postgresql.connect() as other:
                other.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
            conn.exec_driver_sql("SELECT 1")

    assert is_away(raised(work))


def test_so_it_is_in_the_middle_of_a_copy(postgresql: Engine) -> None:
    def cut_off(conn: Connection) -> None:
        (pid,) = conn.exec_driver_sql("SELECT pg_backend_pid()").one()
        conn.exec_driver_sql("CREATE TEMPORARY TABLE t (x text)")
        driver: Any = conn.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy("COPY t FROM STDIN") as copy:
            with postgresql.connect() as other:
                other.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
            for _ in range(100_000):
                copy.write_row(("x" * 100,))

    def work() -> None:
        with postgresql.begin() as conn:
            cut_off(conn)

    assert is_away(raised(work))


@pytest.mark.parametrize(
    "setting", ["lock_timeout = '50ms'", "statement_timeout = '50ms'"], ids=["lock", "statement"]
)
def test_a_time_out_is_an_outage(postgresql: Engine, setting: str) -> None:
    with postgresql.begin() as holding:
        holding.exec_driver_sql("LOCK TABLE jobs")
        error = running(postgresql, f"SET LOCAL {setting}", "SELECT * FROM jobs")
    assert is_away(error)


def test_an_idle_transaction_that_the_server_ended_is_an_outage(postgresql: Engine) -> None:
    gone = "SELECT COUNT(*) FROM pg_stat_activity WHERE pid = %(pid)s"

    def idle() -> None:
        with postgresql.begin() as conn:
            conn.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '20ms'")
            (pid,) = conn.exec_driver_sql("SELECT pg_backend_pid()").one()
            # in no transaction: there PostgreSQL shows the activity as it was at first
            with postgresql.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
                wait_until(lambda: other.exec_driver_sql(gone, {"pid": pid}).scalar() == 0)
            conn.exec_driver_sql("SELECT 1")

    assert is_away(raised(idle))


def test_a_server_that_is_gone_is_an_outage(postgresql_server: Server) -> None:
    url = database_url(postgresql_server.current()).set(host="127.0.0.1", port=9, query={})
    assert is_away(running(create_engine(url), "SELECT 1"))


def test_sqlite_that_is_busy_is_an_outage(sqlite_server: Server) -> None:
    path = sqlite_server.current().removeprefix("sqlite:///")
    engine = open_engine(f"sqlite:///{path}")
    with engine.connect() as conn:
        conn.exec_driver_sql("PRAGMA busy_timeout = 10")
        conn.commit()
    holding = sqlite3.connect(path)
    holding.execute("BEGIN IMMEDIATE")
    assert is_away(running(engine, "UPDATE jobs SET name = 'x'"))
    holding.close()
    engine.dispose()


@pytest.mark.parametrize(
    "statement", ["SELECT * FROM nothing_here", "SELECT 1 +", "INSERT INTO jobs (id) VALUES ('x')"]
)
def test_what_sqlite_refuses_is_no_outage(sqlite_server: Server, statement: str) -> None:
    engine = open_engine(sqlite_server.current())
    assert not is_away(running(engine, statement))
    engine.dispose()


def test_a_sqlite_file_that_may_not_be_written_is_no_outage(sqlite_server: Server) -> None:
    path = Path(sqlite_server.current().removeprefix("sqlite:///"))
    engine = open_engine(f"sqlite:///{path}")
    error = running(engine, "PRAGMA query_only = ON", "UPDATE jobs SET name = 'x'")
    assert "readonly" in str(error)
    assert not is_away(error)
    engine.dispose()


def test_a_refused_transaction_is_one_sentence_and_tried_once(engine: Engine) -> None:
    tried = 0

    def transaction() -> None:
        nonlocal tried
        tried += 1
        with engine.begin() as conn:
            conn.exec_driver_sql("SELECT * FROM nothing_here")

    outage = Outage(60, longest_pause_s=1, hint="Wait.")
    with pytest.raises(DatabaseError, match=r"The database refuses: .*nothing_here") as caught:
        retry_during_outage(transaction, outage)
    assert tried == 1
    assert "\n" not in str(caught.value)
    assert caught.value.hint
