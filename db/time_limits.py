"""Statements on PostgreSQL that may take longer than any of our usual ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ruie.db.postgresql_connection import PostgreSQLConnection


@contextmanager
def as_long_as_it_takes(connection: PostgreSQLConnection) -> Iterator[None]:
    """Neither the server ends a statement of this connection, nor this process the connection,
    however long nothing comes. Of the server until its transaction ends; in autocommit mode for
    good."""
    silent_s, connection.silent_s = connection.silent_s, None
    try:
        local = "" if connection.autocommit else "LOCAL "
        connection.execute(f"SET {local}statement_timeout = 0")
        yield
    finally:
        connection.silent_s = silent_s
