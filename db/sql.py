"""Parts of statements that several modules of this package use."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
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
    """For each dialect an INSERT that skips rows which violate a unique constraint; to be built
    once and kept."""
    return {
        "postgresql": postgresql.insert(table).on_conflict_do_nothing(),
        "sqlite": sqlite.insert(table).on_conflict_do_nothing(),
    }


def insert_new(conn: Connection, table: Table) -> Any:
    """`insert_new_by_dialect`, for the dialect of this connection."""
    return insert_new_by_dialect(table)[conn.dialect.name]


def pieces(values: Sequence[T], size: int = 1000) -> Iterator[Sequence[T]]:
    """`values` in parts that fit an IN list: the databases limit a statement's parameters."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def in_values(conn: Connection, column: ColumnElement[str], values: Sequence[str]) -> Any:
    """`column IN (values)` for any number of texts, as one parameter: a statement with thousands
    of parameters takes longer to compile than to run."""
    if conn.dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(Text)))
    listed = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(listed.c.value))


def in_ids(conn: Connection, column: ColumnElement[int], ids: Collection[int]) -> Any:
    """Likewise for ids."""
    if conn.dialect.name == "postgresql":
        return column == any_(literal(list(ids), ARRAY(BigInteger)))
    listed = func.json_each(json.dumps(list(ids))).table_valued("value")
    return column.in_(select(listed.c.value))


def changed(conn: Connection, statement: Executable, parameters: Any = None) -> int:
    """Run an UPDATE or DELETE; returns the number of rows that it matched."""
    return int(conn.execute(statement, parameters).rowcount)
