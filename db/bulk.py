"""Statements for many rows, whose text does not depend on how many: a list of VALUES is compiled by
SQLAlchemy, parsed by the driver and planned by the server anew for each number of rows.

PostgreSQL gets all rows as one JSON parameter, in one round trip; SQLite, which is in the process,
row by row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    CursorResult,
    Executable,
    Row,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from ruie.db.types import Json

_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped

Given = Mapping[str, ColumnElement[Any]]
"""The columns of the rows, in a statement that has them as a table."""


class Bulk:
    """A statement that is executed for many rows.

    columns: the values of a row, in order, with their types. joined: makes the statement for all
    rows, of their columns; one: the same for one row, with a parameter for each column, unless it
    is for PostgreSQL alone.
    """

    def __init__(
        self,
        columns: Mapping[str, TypeEngine[Any]],
        joined: Callable[[Given], Executable],
        one: Executable | None = None,
    ) -> None:
        self._names = tuple(columns)
        self._bound = [_bound(type_) for type_ in columns.values()]
        self._joined = joined(_recordset(columns))
        self._one = one

    @classmethod
    def alike(cls, columns: Mapping[str, TypeEngine[Any]], make: Callable[..., Executable]) -> Self:
        """Where both statements are made in the same way of a row's columns, or parameters."""
        one = (bindparam(name, type_=type_) for name, type_ in columns.items())
        return cls(columns, lambda given: make(*given.values()), make(*one))

    def run(
        self,
        conn: Connection,
        rows: Sequence[Sequence[Any]],
        more: Mapping[str, Any] | None = None,
    ) -> CursorResult[Any]:
        """rows: at least one. more: other parameters of the statement."""
        if conn.dialect.name == "postgresql":
            return conn.execute(self._joined, {"rows": self._json(rows), **(more or {})})
        assert self._one is not None
        return conn.execute(self._one, [{**self._named(row), **(more or {})} for row in rows])

    def read(self, conn: Connection, rows: Sequence[Sequence[Any]]) -> list[Row[Any]]:
        """What a statement that gives rows does for all of these."""
        if conn.dialect.name == "postgresql":
            return list(conn.execute(self._joined, {"rows": self._json(rows)})) if rows else []
        assert self._one is not None
        return [found for row in rows for found in conn.execute(self._one, self._named(row))]

    def _named(self, row: Sequence[Any]) -> dict[str, Any]:
        return dict(zip(self._names, row, strict=True))

    def _json(self, rows: Sequence[Sequence[Any]]) -> str:
        columns = list(zip(self._names, self._bound, strict=True))
        return json.dumps(
            [
                {
                    name: value if bound is None else bound(value)
                    for (name, bound), value in zip(columns, row, strict=True)
                }
                for row in rows
            ]
        )


def bulk_insert(
    table: Table,
    columns: Sequence[str],
    constants: Mapping[str, ColumnElement[Any]] | None = None,
    *,
    skip: bool = False,
    returning: Sequence[str] = (),
) -> Bulk:
    """An INSERT, in the order of the rows. constants: columns that have the same value in each.
    skip: rows that violate a unique constraint are left out. returning: columns."""
    constants = constants or {}
    names = [*columns, *constants]
    returned = [table.c[name] for name in returning]

    def joined(given: Given) -> Executable:
        values = select(*(given[name] for name in columns), *constants.values())
        statement = postgresql.insert(table).from_select(names, values)
        statement = statement.on_conflict_do_nothing() if skip else statement
        return statement.returning(*returned) if returned else statement

    made = sqlite.insert(table).on_conflict_do_nothing() if skip else insert(table)
    one = made.values({name: bindparam(name) for name in columns} | dict(constants))
    types = {name: table.c[name].type for name in columns}
    return Bulk(types, joined, one.returning(*returned) if returned else one)


@contextmanager
def pipelined(conn: Connection) -> Iterator[None]:
    """What is executed within is sent to PostgreSQL without waiting for answers: one round trip for
    all of it. So nothing within may look at a result, and errors come at its end."""
    if conn.dialect.name != "postgresql":
        yield
        return
    driver: Any = conn.connection.driver_connection
    failed: Any = conn.dialect.loaded_dbapi.Error
    try:
        with driver.pipeline():
            yield
    except failed as error:
        broken = conn.dialect.is_disconnect(error, conn.connection.dbapi_connection, None)
        if broken:
            conn.invalidate(error)
        raise DBAPIError.instance(
            "(several statements at once)", None, error, failed,
            connection_invalidated=broken, dialect=conn.dialect,
        ) from error  # fmt: skip  # its arguments


def _recordset(columns: Mapping[str, TypeEngine[Any]]) -> Given:
    # JSON within comes as text: what is taken out of the whole as JSON must be Unicode throughout,
    # and a column of JSON may hold any escape.
    listed = [column(name, Text if _is_json(type_) else type_) for name, type_ in columns.items()]
    rows = func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
    given = rows.table_valued(*listed, name="given").render_derived(with_types=True)
    return {
        name: cast(given.c[name], JSON) if _is_json(type_) else given.c[name]
        for name, type_ in columns.items()
    }


def _is_json(type_: TypeEngine[Any]) -> bool:
    return isinstance(type_, Json)


def _bound(type_: TypeEngine[Any]) -> Callable[[Any], Any] | None:
    """What makes of a value what is put into JSON; None where it is put there as it is."""
    if _is_json(type_):
        return lambda value: None if value is None else json.dumps(value)
    return type_.dialect_impl(_POSTGRESQL).bind_processor(_POSTGRESQL)
