"""A database that does not answer for a while: a restart, a failover, a network that is cut.

One table says which errors repeating a transaction cures. Every other error is told at once.
"""

from __future__ import annotations

import logging
import math
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from ruie.errors import DatabaseError, UnavailableError

log = logging.getLogger("ruie.db")

T = TypeVar("T")

AWAY_CLASSES = (
    "08",  # the connection is lost or was never made
    "40",  # a deadlock, a serialisation failure
)
AWAY_STATES = {
    "25P03": "PostgreSQL ended the transaction of a process that had been frozen",
    "25P04": "the same, by transaction_timeout",
    "53100": "the disk is full: a person can free space while the transaction waits",
    "53300": "too many connections",
    "55P03": "a lock was not to be had in time",
    "57014": "a statement was cancelled or took too long, which it need not the next time",
    "57P01": "the server shuts down, or an administrator ended the connection",
    "57P02": "the server crashed",
    "57P03": "the server starts up",
    "57P05": "the connection was idle for too long",
    "58030": "the disk does not answer",
}
"""SQLSTATEs of PostgreSQL that are waited out, beside `AWAY_CLASSES`. Not among them: an index row
that is too large (54000), a text that is too long (22001), no permission (42501), no such table
(42P01), a server that only reads (25006), no memory (53200)."""
AWAY_SQLITE = {
    sqlite3.SQLITE_BUSY: "another process writes",
    sqlite3.SQLITE_LOCKED: "another connection of the process writes",
    sqlite3.SQLITE_PROTOCOL: "processes opened the file at the same moment",
    sqlite3.SQLITE_IOERR: "the disk does not answer",
    sqlite3.SQLITE_CANTOPEN: "the file's folder is away, or too many files are open",
    sqlite3.SQLITE_FULL: "the disk is full",
}
"""Primary result codes of SQLite that are waited out. Not among them: a file that may not be
written (READONLY), a damaged one (CORRUPT, NOTADB), a mistake in SQL (ERROR)."""

_HINTS = {
    "42501": "Give the login of RUIE_DATABASE_URL the right to it.",
    "42P01": "Run `ruie db check`, and `ruie db upgrade` where it says so.",
    "25006": "Set RUIE_DATABASE_URL to a server and a user that may write.",
}
_HINT = "Repeating it does not help; `ruie db check` says whether the database is of this version."


def is_away(error: BaseException) -> bool:
    """Whether repeating the transaction may cure what a database, or its driver, raised."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, sqlite3.Error):
        return getattr(original, "sqlite_errorcode", 0) & 0xFF in AWAY_SQLITE
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    state = getattr(original, "sqlstate", None)
    if state is not None:
        return state[:2] in AWAY_CLASSES or state in AWAY_STATES
    # Without a state it is the driver that speaks: it has no connection any more, or got none. COPY
    # goes past SQLAlchemy, and raises the driver's own class.
    driver = type(original).__module__.partition(".")[0] == "psycopg"
    return isinstance(error, OperationalError) or (
        driver and type(original).__name__ == "OperationalError"
    )


def refused(error: Exception) -> DatabaseError:
    """The error of a transaction that the database refuses, as a sentence."""
    state = getattr(getattr(error, "orig", None) or error, "sqlstate", "")
    return DatabaseError(f"The database refuses: {error_text(error)}.", _HINTS.get(state, _HINT))


def database_error(error: Exception) -> DatabaseError | UnavailableError | None:
    """What a person is told of an error that no part of the program has dealt with; None where it
    is not the database's, or shows a mistake of ours."""
    if is_away(error):
        return UnavailableError(
            f"The database does not answer: {error_text(error)}.",
            "Check that it runs and that RUIE_DATABASE_URL leads to it, then repeat the command.",
        )
    if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError):
        return refused(error)
    return None


class Outage:
    """How long to wait before a transaction is tried again, and when to give up.

    patience_s: from the first error to the last try. Pauses double from half a second up to
    longest_pause_s. hint: what to do once it gave up.
    """

    def __init__(self, patience_s: float, *, longest_pause_s: float, hint: str) -> None:
        self._patience_s = patience_s
        self._longest_pause_s = longest_pause_s
        self._hint = hint
        self._deadline = math.inf
        self._pause_s = 0.5

    def pause_s(self, error: Exception) -> float:
        """Seconds to wait after this error.

        Raises `UnavailableError` once patience is over; at once, where repeating cures nothing,
        `DatabaseError`, and an error that is not the database's as it is.
        """
        if not is_away(error):
            if (told := database_error(error)) is not None:
                raise told from error
            raise error
        now = time.monotonic()
        self._deadline = min(self._deadline, now + self._patience_s)
        pause_s = min(self._pause_s, self._longest_pause_s)
        if now + pause_s > self._deadline:
            raise UnavailableError(
                f"The database has been unavailable for {self._patience_s:g} s"
                f" ({error_text(error)}).",
                self._hint,
            ) from error
        log.warning(
            "the database is unavailable (%s), next try in %g s", error_text(error), pause_s
        )
        self._pause_s = 2 * pause_s
        return pause_s


def retry_during_outage(transaction: Callable[[], T], outage: Outage) -> T:
    """Run a transaction until the database answers. It must be safe to repeat: a commit whose
    answer was lost may have happened."""
    while True:
        try:
            return transaction()
        except Exception as error:
            time.sleep(outage.pause_s(error))


def error_text(error: BaseException) -> str:
    """The database's own message: the first line, without the driver's decoration."""
    original = getattr(error, "orig", None) or error
    lines = [line.strip() for line in str(original).splitlines() if line.strip()]
    text = lines[0] if lines else type(original).__name__
    return text.rstrip(".")
