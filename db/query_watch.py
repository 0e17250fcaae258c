"""A query on SQLite is watched by this process: it ends when its time is up, or at Ctrl-C."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ruie.errors import DatabaseError

EVERY = 10_000
"""Steps of SQLite's machine between two looks at the clock: some milliseconds at most."""
LONGEST_VALUE = 1 << 28
"""Bytes of one value that SQLite makes for a query, at most: a single step could ask for 1 GB."""


class SQLiteWatch:
    """Looks at the clock while a connection works, and ends the statement when time is up."""

    def __init__(self, connection: sqlite3.Connection, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._until = 0.0
        self._late = False
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        # Without a time-out too: only where Python runs is a signal noticed.
        connection.set_progress_handler(self._look, EVERY)

    def _look(self) -> int:
        self._late = bool(self._timeout_s) and time.monotonic() > self._until
        return int(self._late)

    @contextmanager
    def working(self) -> Iterator[None]:
        """The database works from here to the end of the block. Raises `DatabaseError` where its
        time was up, KeyboardInterrupt where Ctrl-C ended it."""
        self._until = time.monotonic() + self._timeout_s
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            if self._late:
                raise timed_out(self._timeout_s) from None
            # Ctrl-C was raised in `_look`, where SQLite takes any exception for "stop".
            raise KeyboardInterrupt from None


class QueryTimeoutError(DatabaseError):
    """A query took too long."""


def timed_out(timeout_s: float) -> QueryTimeoutError:
    """The error of a query that took too long."""
    return QueryTimeoutError(
        f"The query was stopped: the database had worked for {timeout_s:g} s without a result.",
        "Ask for less, or allow more time with --timeout or RUIE_QUERY_TIMEOUT_S.",
    )
