"""Opening a database, for writing or for reading alone."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from ruie.db.models.search import FTS
from ruie.db.outage import error_text
from ruie.db.postgresql import STATEMENT_S, postgresql_engine, postgresql_readonly
from ruie.errors import DatabaseError, SettingsError, UnavailableError
from ruie.private import private_file

BUSY_S = 30.0
"""Seconds a SQLite writer waits for the one that holds the file."""


def database_url(url: str) -> URL:
    """The URL as SQLAlchemy reads it, with the driver that is installed.

    Raises SettingsError for a URL that cannot be read or a database that is not supported.
    """
    hint = "Set RUIE_DATABASE_URL to sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME."
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise SettingsError("The database's URL cannot be read.", hint) from None
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if parsed.database in (None, "", ":memory:"):
            raise SettingsError("SQLite in memory cannot be shared between processes.", hint)
        return parsed.set(drivername="sqlite")
    raise SettingsError(f"{parsed.drivername} is not a database ruie can use.", hint)


def open_engine(url: str, *, idle_s: float = STATEMENT_S) -> Engine:
    """An engine that has been connected once, for reading and writing.

    A transaction on SQLite takes the write lock when it begins; use `reading` for those that only
    read. idle_s: PostgreSQL ends a transaction in which nothing happens for so long, and frees its
    locks. Raises SettingsError (the URL) and UnavailableError (no connection).
    """
    parsed = database_url(url)
    if parsed.drivername == "sqlite":
        return _connected(_sqlite(parsed))
    return _connected(postgresql_engine(parsed, idle_s))


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that only reads: on SQLite it neither waits for a writer nor holds one up."""
    with engine.connect() as conn:
        yield conn.execution_options(ruie_reading=True)


def _sqlite(url: URL) -> Engine:
    private_file(Path(url.database or ""))
    # isolation_level=None: the driver begins no transaction by itself, `begin` below does.
    engine = create_engine(url, connect_args={"isolation_level": None, "timeout": BUSY_S})

    @event.listens_for(engine, "connect")
    def pragmas(connection: sqlite3.Connection, _record: object) -> None:
        cursor = connection.cursor()
        # Readers go on while one writes, and a commit is one append. The mode stays in the file.
        _write_ahead(cursor)
        # With WAL, a crash of the process loses nothing and one of the machine at most the last
        # commits, whose work is then repeated; FULL would cost a disk flush for each document.
        cursor.execute("PRAGMA synchronous=NORMAL")
        # SQLite checks foreign keys only on connections that switch it on.
        cursor.execute("PRAGMA foreign_keys=ON")
        # Sorting and temporary tables in memory, and 64 MiB of pages kept: files grow large.
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute("PRAGMA cache_size=-65536")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(conn: Connection) -> None:
        # A transaction that reads first and then writes fails at once with "database is locked"
        # when another wrote in between, whatever the time-out; one that starts as a writer waits.
        reading = conn.get_execution_options().get("ruie_reading", False)
        conn.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Switch to WAL, again and again: it fails at once while another process is switching."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            if cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal":
                return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
        else:
            return  # a file system without shared memory: the old journal works, more slowly
        time.sleep(0.05)


def open_readonly(url: str) -> Engine:
    """An engine whose connections cannot write; for `ruie.db.query` and for users' own SQL.

    SQLite: the file is opened read-only and an authorizer allows reading and nothing else.
    PostgreSQL: every transaction is READ ONLY, and it cannot be made otherwise because a query has
    already run in it; a statement is sent by the extended protocol, which takes only one.
    Raises SettingsError (the URL) and UnavailableError (no connection, no such file).
    """
    parsed = database_url(url)
    make = _sqlite_readonly if parsed.drivername == "sqlite" else postgresql_readonly
    return _connected(make(parsed))


# What a statement may do. Not ATTACH, which opens other files, nor PRAGMA with a value.
_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_TRANSACTION,
}
# (SQLAlchemy reads read_uncommitted on connecting; it matters to shared caches alone.)
_PRAGMAS = {
    "read_uncommitted",
    "data_version",  # FTS5 checks whether another connection has written
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
}


def _authorize(action: int, first: str | None, *_: str | None) -> int:
    if action in _ALLOWED:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and first in _PRAGMAS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _sqlite_readonly(url: URL) -> Engine:
    path = Path(str(url.database)).absolute()

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_S, isolation_level=None,
            check_same_thread=False,
        )  # fmt: skip  # its arguments
        connection.execute("PRAGMA query_only=ON")
        # The first use of an FTS5 table declares it to the connection, which looks like a change of
        # the schema to the authorizer.
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (FTS,)).fetchone():
            connection.execute(f"SELECT rowid FROM {FTS} LIMIT 0")
        connection.set_authorizer(_authorize)
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", lambda conn: conn.exec_driver_sql("BEGIN"))
    return engine.execution_options(ruie_path=str(path))


def _connected(engine: Engine) -> Engine:
    """The engine, after one connection. Raises an error that says in one sentence what is wrong."""
    try:
        with reading(engine) as conn:
            # On SQLite this is what first reads the file: a SELECT without a table does not.
            conn.exec_driver_sql(
                "SELECT COUNT(*) FROM sqlite_master"
                if conn.dialect.name == "sqlite"
                else "SELECT 1"
            )
    except (DBAPIError, sqlite3.Error) as error:
        engine.dispose()
        raise connection_error(engine, error) from None
    return engine


def shown_url(engine: Engine) -> str:
    """Where a database is, as it is printed: without user, password and most of the query."""
    url = engine.url
    # The query may hold a password too; only a socket's folder says where the server is.
    query = {key: value for key, value in url.query.items() if key in ("host", "port")}
    shown = URL.create(url.drivername, None, None, url.host, url.port, url.database, query)
    return shown.render_as_string()


def connection_error(engine: Engine, error: Exception) -> UnavailableError | DatabaseError:
    """The error of a connection that failed, never with the password."""
    reason = error_text(error)
    if engine.dialect.name == "sqlite":
        path = engine.get_execution_options().get("ruie_path") or engine.url.database
        if "not a database" in reason:
            return DatabaseError(
                f"{path} is not a SQLite database.", "Set RUIE_DATABASE_URL to another file."
            )
        return UnavailableError(
            f"The database {path} cannot be opened: {reason}.",
            "Check that the file and its folder exist and may be read and written,"
            " or create it with `ruie db upgrade`.",
        )
    return UnavailableError(
        f"The database at {shown_url(engine)} cannot be reached: {reason}.",
        "Name the host as its certificate does, and the authority that signed it (sslrootcert)."
        if "certificate" in reason
        else "Check that PostgreSQL is running and that RUIE_DATABASE_URL has the right host, port,"
        " name and password.",
    )
