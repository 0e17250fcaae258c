"""Statement parts the modules of this package share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Executable,
    Table,
    Text,
    any_,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")


def insert_new_by_dialect(table: Table) -> dict[str, Any]:
    """An INSERT that leaves out rows which a unique constraint refuses, for each dialect: to be
    built once and kept."""
    return {
        "postgresql": postgresql.insert(table).on_conflict_do_nothing(),
        "sqlite": sqlite.insert(table).on_conflict_do_nothing(),
    }


def insert_new(conn: Connection, table: Table) -> Any:
    """The same, for the connection at hand."""
    return insert_new_by_dialect(table)[conn.dialect.name]


def pieces(values: Sequence[T], size: int = 1000) -> Iterator[Sequence[T]]:
    """`values` in parts that fit an IN list: the databases limit a statement's parameters."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def among(conn: Connection, column: ColumnElement[str], values: Sequence[str]) -> Any:
    """Whether a column is one of many texts: one parameter, however many there are. A statement
    with thousands of parameters takes longer to write than to run."""
    if conn.dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(Text)))
    listed = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(listed.c.value))


def changed(conn: Connection, statement: Executable, parameters: Any = None) -> int:
    """How many rows an UPDATE or DELETE met."""
    return int(conn.execute(statement, parameters).rowcount)
