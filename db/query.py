"""Users' own SQL, on a connection that cannot write, for a limited time and in bounded memory."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.sql.compiler import SQLCompiler

from ruie.db.engine import open_readonly
from ruie.db.outage import error_text
from ruie.db.query_values import load_plain_values, size_of
from ruie.db.query_watch import SQLiteWatch, timed_out
from ruie.db.reader import refuse_more_than_reading
from ruie.db.unknown_names import what_there_is
from ruie.errors import DatabaseError

FIRST_FETCH = 20
FETCH = 1000
"""Rows fetched at a time from PostgreSQL, first and at most."""
FETCH_BYTES = 8_000_000
"""So many bytes of rows are fetched at a time, by the size of those before: a result of any size
passes through in constant memory."""
CANCELLED = "57014"
CANCEL_S = 2.0
"""Seconds after the time-out until this process cancels a query, whose own SQL may have changed the
server's time-out."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Column names, and an iterator of the rows.

    Values are None, int, float, str and bytes, the same on both databases: a time is text in UTC
    (`2026-01-31 08:05:09.123000`), a decimal is a float, JSON is text.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


def run_as_reader(
    url: str, sql: str, params: Mapping[str, Any] | None = None, *, timeout_s: float
) -> QueryResult:
    """`run_readonly` of SQL that a user wrote: refused on PostgreSQL unless the URL's login may
    read and nothing else (`ruie.db.reader`)."""
    statement = _statement(sql)
    engine = open_readonly(url)
    try:
        refuse_more_than_reading(engine)
    except BaseException:
        engine.dispose()
        raise
    return _run(engine, statement, params, timeout_s)


def run_readonly(
    url: str, sql: str, params: Mapping[str, Any] | None = None, *, timeout_s: float = 0
) -> QueryResult:
    """Run one statement that reads, with the rights of the URL's login.

    params: values for `:name` in it. timeout_s: seconds that the database may work until it has the
    next rows; 0: as long as it takes. Raises SettingsError, UnavailableError, and DatabaseError
    with the database's own message where it refuses the statement, also while rows are read.
    """
    statement = _statement(sql)
    return _run(open_readonly(url), statement, params, timeout_s)


def _statement(sql: str) -> str:
    statement = sql.strip().rstrip(";").strip()
    if not statement:
        raise DatabaseError("The query is empty.", "Write a SELECT.")
    return statement


def _run(
    engine: Engine, statement: str, params: Mapping[str, Any] | None, timeout_s: float
) -> QueryResult:
    rows = _read(engine, statement, params or {}, timeout_s)
    columns = next(rows)  # runs the statement: an error in it is raised here
    return QueryResult(columns, rows)


def _read(
    engine: Engine, statement: str, params: Mapping[str, Any], timeout_s: float
) -> Iterator[tuple[Any, ...]]:
    """The column names, then the rows."""
    read = _read_sqlite if engine.dialect.name == "sqlite" else _read_postgresql
    values: Any = None
    if params:
        compiled = text(statement).compile(dialect=engine.dialect)
        values = {name: params.get(name) for name in compiled.params}
        if isinstance(compiled, SQLCompiler) and compiled.positiontup is not None:
            values = [values[name] for name in compiled.positiontup]
        statement = str(compiled)
    pooled = engine.raw_connection()
    try:
        yield from read(pooled.driver_connection, statement, values, timeout_s)
    except (sqlite3.Error, sqlite3.Warning, engine.dialect.loaded_dbapi.Error) as error:
        if timeout_s and getattr(error, "sqlstate", None) == CANCELLED:
            raise timed_out(timeout_s) from None
        raise DatabaseError(
            f"The database refuses the query: {error_text(error)}.",
            what_there_is(error, statement)
            or "One statement that reads is allowed; a SELECT over the tables and views.",
        ) from None
    finally:
        pooled.invalidate()  # whatever the statement did to the session ends with it
        engine.dispose()


def _read_sqlite(
    connection: Any, statement: str, values: Sequence[Any] | None, timeout_s: float
) -> Iterator[tuple[Any, ...]]:
    watch = SQLiteWatch(connection, timeout_s)
    with watch.working():
        cursor = connection.execute(statement, values or ())
    with closing(cursor):
        yield tuple(column[0] for column in cursor.description or ())
        while True:
            with watch.working():
                row = cursor.fetchone()
            if row is None:
                return
            yield row


def _read_postgresql(
    connection: Any, statement: str, values: Mapping[str, Any] | None, timeout_s: float
) -> Iterator[tuple[Any, ...]]:
    connection.read_only = True
    # From its first query on, a transaction that is READ ONLY can no longer be made otherwise.
    connection.execute("SELECT 1")
    # Of the session: it holds for each FETCH, and the transaction has begun.
    connection.execute(f"SET statement_timeout = {1000 * timeout_s:.0f}")
    # Where not even the request to cancel gets an answer, nobody does.
    connection.silent_s = timeout_s + 3 * CANCEL_S if timeout_s else None
    load_plain_values(connection)
    if statement.split(None, 1)[0].lower() in ("explain", "show"):
        # No cursor takes these; the extended protocol still takes one statement only.
        with closing(connection.cursor()) as cursor, _cancelled_after(connection, timeout_s):
            rows = list(cursor.stream(statement, values))
            names = tuple(column.name for column in cursor.description or ())
        yield names
        yield from rows
        return
    # A cursor takes a SELECT and nothing else, neither COPY, DO and CALL nor a WITH that writes:
    # PostgreSQL's own grammar says so. Rows stay on the server until they are fetched.
    with closing(connection.cursor("ruie", scrollable=False)) as cursor:
        with _cancelled_after(connection, timeout_s):
            cursor.execute(statement, values)
        yield tuple(column.name for column in cursor.description or ())
        count = FIRST_FETCH
        while True:
            with _cancelled_after(connection, timeout_s):
                rows = cursor.fetchmany(count)
            if not rows:
                return
            yield from rows
            each = 1 + sum(map(size_of, rows)) // len(rows)
            count = max(1, min(FETCH, FETCH_BYTES // each))


def _cancel(connection: Any) -> None:
    from psycopg import Error

    with suppress(Error):  # the query's own error says what is wrong
        connection.cancel_safe()


@contextmanager
def _cancelled_after(connection: Any, timeout_s: float) -> Iterator[None]:
    """Cancel what the server does for this process a little after its own time-out."""
    if not timeout_s:
        yield
        return
    timer = threading.Timer(timeout_s + CANCEL_S, _cancel, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
