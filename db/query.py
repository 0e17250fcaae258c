"""Users' own SQL, on a connection that cannot write."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.sql.compiler import SQLCompiler

from ruie.db.engine import open_readonly
from ruie.db.outage import error_text
from ruie.errors import DatabaseError

FETCH = 1000
"""Rows fetched at a time: a result of any size passes through in constant memory."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Column names, and an iterator of the rows.

    Values are None, int, float, str and bytes, the same on both databases: a time is text in UTC
    (`2026-01-31 08:05:09.123000`), a decimal is a float, JSON is text.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


def run_readonly(url: str, sql: str, params: Mapping[str, Any] | None = None) -> QueryResult:
    """Run one statement that reads. params: values for `:name` in it.

    Raises SettingsError, UnavailableError, and DatabaseError with the database's own message where
    it refuses the statement, also while rows are read.
    """
    statement = sql.strip().rstrip(";").strip()
    if not statement:
        raise DatabaseError("The query is empty.", "Write a SELECT.")
    rows = _read(open_readonly(url), statement, params or {})
    columns = next(rows)  # runs the statement: an error in it is raised here
    return QueryResult(columns, rows)


def _read(engine: Engine, statement: str, params: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
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
        yield from read(pooled.driver_connection, statement, values)
    except (sqlite3.Error, sqlite3.Warning, engine.dialect.loaded_dbapi.Error) as error:
        raise DatabaseError(
            f"The database refuses the query: {error_text(error)}.",
            "One statement that reads is allowed; a SELECT over the tables and views.",
        ) from None
    finally:
        pooled.invalidate()  # whatever the statement did to the session ends with it
        engine.dispose()


def _read_sqlite(
    connection: Any, statement: str, values: Sequence[Any] | None
) -> Iterator[tuple[Any, ...]]:
    with closing(connection.execute(statement, values or ())) as cursor:
        yield tuple(column[0] for column in cursor.description or ())
        while rows := cursor.fetchmany(FETCH):
            yield from rows


def _read_postgresql(
    connection: Any, statement: str, values: Mapping[str, Any] | None
) -> Iterator[tuple[Any, ...]]:
    connection.read_only = True
    # From its first query on, a transaction that is READ ONLY can no longer be made otherwise.
    connection.execute("SELECT 1")
    _plain_values(connection)
    if statement.split(None, 1)[0].lower() in ("explain", "show"):
        # No cursor takes these; the extended protocol still takes one statement only.
        with closing(connection.cursor()) as cursor:
            rows = cursor.stream(statement, values)
            first = next(rows, None)
            yield tuple(column.name for column in cursor.description or ())
            yield from () if first is None else (first, *rows)
        return
    # A cursor takes a SELECT and nothing else, neither COPY, DO and CALL nor a WITH that writes:
    # PostgreSQL's own grammar says so. Rows stay on the server until they are fetched.
    with closing(connection.cursor("ruie", scrollable=False)) as cursor:
        cursor.execute(statement, values)
        yield tuple(column.name for column in cursor.description or ())
        while rows := cursor.fetchmany(FETCH):
            yield from rows


def _plain_values(connection: Any) -> None:
    """Load values of types that SQLite does not have as SQLite would return them."""
    from psycopg.adapt import Loader  # the driver is needed for PostgreSQL alone
    from psycopg.types.string import TextLoader

    class Time(Loader):
        def load(self, data: Any) -> str:
            moment = bytes(data).decode().removesuffix("+00")
            whole, _, fraction = moment.partition(".")
            return f"{whole}.{fraction:0<6}"

    class Number(Loader):
        def load(self, data: Any) -> int | float:
            # A sum of integers is a whole number, and none of a cost is: that has nine digits.
            written = bytes(data)
            return int(written) if written.lstrip(b"-").isdigit() else float(written)

    class Truth(Loader):
        def load(self, data: Any) -> int:
            return int(bytes(data) == b"t")

    connection.adapters.register_loader("numeric", Number)
    connection.adapters.register_loader("bool", Truth)
    for name in ("timestamptz", "timestamp"):
        connection.adapters.register_loader(name, Time)
    for name in ("json", "jsonb", "date", "time", "interval", "uuid"):
        connection.adapters.register_loader(name, TextLoader)
