"""Making what was deleted unreadable in the database's own files."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Engine

from ruie.db.models import FTS
from ruie.db.outage import error_text
from ruie.db.time_limits import as_long_as_it_takes
from ruie.errors import UnavailableError


def compact(engine: Engine) -> None:
    """Rewrite the SQLite file without what was deleted; on PostgreSQL, VACUUM.

    Of the index of full-text search too, whose deleted words otherwise stay until later writes.
    PostgreSQL reuses the space of dead rows, and overwrites it then. Raises `UnavailableError`
    while another process holds the database.
    """
    errors: type[Exception] = engine.dialect.loaded_dbapi.OperationalError
    pooled = engine.raw_connection()  # a connection of SQLAlchemy begins transactions
    try:
        connection: Any = pooled.driver_connection
        if engine.dialect.name == "sqlite":
            connection.execute(f"INSERT INTO {FTS} ({FTS}) VALUES ('optimize')")
            connection.execute("VACUUM")
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if busy:
                raise sqlite3.OperationalError("another process reads it")
        else:
            connection.autocommit = True
            with as_long_as_it_takes(connection):
                connection.execute("VACUUM")
    except errors as error:
        raise UnavailableError(
            f"The database cannot be compacted now ({error_text(error)}): what was deleted can"
            " still be in its file.",
            "Run `ruie forget --compact` when no other process writes.",
        ) from None
    finally:
        pooled.invalidate()
