"""PostgreSQL behind a network that says nothing any more: no process waits for it for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError
from support.databases import Server
from support.tcp_proxy import TcpProxy
from support.waiting import wait_until

from ruie.db.engine import database_url, open_engine
from ruie.db.outage import is_away
from ruie.db.postgresql import REST_S, SILENT_S, STATEMENT_S
from ruie.db.query import run_readonly
from ruie.db.time_limits import as_long_as_it_takes
from ruie.errors import DatabaseError, UnavailableError


@pytest.fixture
def url(postgresql_server: Server) -> Iterator[str]:
    made = postgresql_server.current()
    yield made
    postgresql_server.drop(made)


@pytest.fixture
def network(url: str) -> Iterator[TcpProxy]:
    folder = str(database_url(url).query["host"])
    with TcpProxy(Path(folder) / ".s.PGSQL.5432") as proxy:
        yield proxy


def through(network: TcpProxy, url: str) -> str:
    direct = database_url(url).difference_update_query(["host"])
    there = direct.set(host="127.0.0.1", port=network.port)
    return there.render_as_string(hide_password=False)


@pytest.fixture
def engine(network: TcpProxy, url: str) -> Iterator[Engine]:
    made = open_engine(through(network, url))
    yield made
    made.dispose()


def driver(conn: Connection) -> Any:
    return conn.connection.driver_connection


def impatient(conn: Connection, silent_s: float = 0.3) -> Any:
    """The driver's connection, which takes a server that is silent for so long for lost."""
    driver(conn).silent_s = silent_s
    return driver(conn)


def test_the_limits_are_beyond_what_the_server_may_take(engine: Engine) -> None:
    with engine.connect() as conn:
        assert driver(conn).silent_s == SILENT_S
        assert conn.scalar(text("SHOW statement_timeout")) == f"{STATEMENT_S // 60}min"
    assert STATEMENT_S < SILENT_S


def raised(engine: Engine, work: Callable[[Connection], object]) -> Exception:
    """What a transaction raises that does this."""
    try:
        with engine.begin() as conn:
            impatient(conn)
            conn.exec_driver_sql("CREATE TEMPORARY TABLE t (x text)")
            work(conn)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_statement_that_is_never_answered_is_an_outage(engine: Engine, network: TcpProxy) -> None:
    def ask(conn: Connection) -> None:
        network.vanish()
        conn.exec_driver_sql("SELECT 1")

    error = raised(engine, ask)
    assert isinstance(error, OperationalError)
    assert "the server was silent for 0.3 s" in str(error)
    assert is_away(error)
    network.heal()
    with engine.begin() as conn:  # by a new connection
        assert conn.scalar(text("SELECT 1")) == 1


def test_so_is_a_commit(engine: Engine, network: TcpProxy) -> None:
    error = raised(engine, lambda _: network.vanish())
    assert "silent" in str(error)
    assert is_away(error)


def test_so_is_a_copy(engine: Engine, network: TcpProxy) -> None:
    def copy(conn: Connection) -> None:
        with driver(conn).cursor() as cursor, cursor.copy("COPY t FROM STDIN") as copying:
            network.vanish()
            for _ in range(100_000):
                copying.write_row(("x" * 1000,))

    assert is_away(raised(engine, copy))


def test_a_connection_that_died_in_the_pool_is_replaced(engine: Engine, network: TcpProxy) -> None:
    with engine.connect() as conn:
        impatient(conn)
    rested_at = time.monotonic() + REST_S
    network.vanish()
    network.heal()
    wait_until(lambda: time.monotonic() > rested_at)
    with engine.connect() as conn:
        assert conn.scalar(text("SELECT 1")) == 1
    assert network.traffic.connections == 2


def test_a_long_answer_is_no_silence(engine: Engine) -> None:
    with engine.connect() as conn:
        impatient(conn, 2.0)
        slow = "SELECT repeat('x', 50000), pg_sleep(0.1) FROM generate_series(1, 30)"
        assert len(conn.execute(text(slow)).all()) == 30


def test_what_may_take_long_is_waited_for(engine: Engine) -> None:
    with engine.begin() as conn:
        connection = impatient(conn)
        with as_long_as_it_takes(connection):
            conn.exec_driver_sql("SELECT pg_sleep(1)")
            assert conn.scalar(text("SHOW statement_timeout")) == "0"
        assert connection.silent_s == 0.3
    with engine.begin() as conn:
        assert conn.scalar(text("SHOW statement_timeout")) == "2min"


def test_a_server_that_never_greets_is_given_up(network: TcpProxy, url: str) -> None:
    network.stall()
    with pytest.raises(UnavailableError, match="timeout"):
        open_engine(through(network, url) + "?connect_timeout=2")


def test_a_query_of_a_user_ends_when_its_time_is_up(network: TcpProxy, url: str) -> None:
    numbers = "SELECT repeat('x', 1000) FROM generate_series(1, 100000)"
    result = run_readonly(through(network, url), numbers, timeout_s=1)
    rows = iter(result.rows)
    next(rows)
    network.stall()
    with pytest.raises(DatabaseError, match="silent for"):
        list(rows)
