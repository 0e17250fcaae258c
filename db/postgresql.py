"""Engines for PostgreSQL: how long is waited for what, and what its sessions may do."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import InvalidatePoolError

CONNECT_S = 10
"""Seconds to wait for PostgreSQL to answer at all."""

REST_S = 1.0
"""Seconds after which a connection of the pool is asked whether it is still there."""

STATEMENT_S = 120
"""Seconds after which PostgreSQL ends one of our own statements: none of them is that long."""

SILENT_S = STATEMENT_S + 15
"""Seconds after which a connection on which nothing comes counts as lost: by then PostgreSQL would
have said that it ended the statement."""


def postgresql_engine(url: URL, idle_s: float) -> Engine:
    """For reading and writing; idle_s: see `ruie.db.engine.open_engine`."""
    arguments = _postgresql_args(
        url,
        statement_timeout=f"{STATEMENT_S}s",
        # A client that hangs in a transaction holds locks and stops vacuum for everyone.
        idle_in_transaction_session_timeout=f"{1000 * idle_s:.0f}ms",
    )
    engine = create_engine(
        url,
        # One process needs few: a document's result holds a connection for a millisecond or two.
        pool_size=4,
        max_overflow=12,
        pool_recycle=1800,
        connect_args=arguments,
    )
    _ping_after_a_rest(engine)
    _notice_silence(engine, SILENT_S)
    return engine


def _ping_after_a_rest(engine: Engine) -> None:
    """A connection that died in the pool (a restart, a firewall) is replaced, not handed out. One
    that was used just now is not asked: that costs a round trip for each transaction."""

    @event.listens_for(engine, "checkin")
    def note(_connection: object, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ping(connection: Any, record: Any, _proxy: object) -> None:
        if time.monotonic() - record.info.get("used", time.monotonic()) < REST_S:
            return
        silent_s, connection.silent_s = connection.silent_s, CONNECT_S  # it takes no time
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error
        connection.silent_s = silent_s


def _notice_silence(engine: Engine, silent_s: float | None) -> None:
    """Its connections count as lost when a statement, or a ping, is not answered in time."""
    from ruie.db.postgresql_connection import PostgreSQLConnection  # it loads the driver

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, more: Any) -> PostgreSQLConnection:
        connection = PostgreSQLConnection.connect(*arguments, **more)
        connection.silent_s = silent_s
        return connection


def _postgresql_args(url: URL, **settings: str) -> dict[str, Any]:
    """psycopg's arguments. The server's settings go with the first message, after those in the URL,
    and cost no round trip."""
    options = [f"-c {name}={value}" for name, value in {"timezone": "UTC", **settings}.items()]
    if "options" in url.query:
        options.insert(0, str(url.query["options"]))
    return {
        "options": " ".join(options),
        "connect_timeout": CONNECT_S,
        "application_name": url.query.get("application_name", "ruie"),
        # A machine that vanished silently is noticed in about a minute: by a connection that waits
        # for it, not in two hours, and by one that has sent it something, not in a quarter of one.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    }


def postgresql_readonly(url: URL) -> Engine:
    """For users' own statements; see `ruie.db.engine.open_readonly`."""
    # A view has up to six tables, and a query several views: with the server's default of 8, the
    # rest would be joined in the order in which they are written, however many rows result.
    freely = dict.fromkeys(("join_collapse_limit", "from_collapse_limit"), "16")
    arguments = _postgresql_args(url, default_transaction_read_only="on", **freely)
    engine = create_engine(url, pool_size=2, connect_args=arguments)
    _ping_after_a_rest(engine)
    engine = engine.execution_options(postgresql_readonly=True)
    _notice_silence(engine, None)  # a user's query takes as long as it takes

    @event.listens_for(engine, "connect")
    def one_statement_at_a_time(connection: Any, _record: object) -> None:
        connection.prepare_threshold = 0  # prepared at once: the server refuses a second statement

    @event.listens_for(engine, "begin")
    def settle(conn: Connection) -> None:
        # Once a query has run, PostgreSQL refuses to turn READ ONLY into READ WRITE.
        conn.exec_driver_sql("SELECT 1")

    return engine
