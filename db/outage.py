"""A database that does not answer for a while: a restart, a failover, a network that is cut."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import InternalError, OperationalError

from ruie.errors import UnavailableError

log = logging.getLogger("ruie.db")

T = TypeVar("T")

OUTAGE_ERRORS = (OperationalError, InternalError)
"""What an unavailable database raises in the middle of a transaction: the connection broke, or
PostgreSQL ended the transaction of a process that had been frozen. Repeating it is safe."""


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
        """Seconds to wait after this error. Raises `UnavailableError` once patience is over."""
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
        except OUTAGE_ERRORS as error:
            time.sleep(outage.pause_s(error))


def error_text(error: BaseException) -> str:
    """The database's own message: the first line, without the driver's decoration."""
    original = getattr(error, "orig", None) or error
    lines = [line.strip() for line in str(original).splitlines() if line.strip()]
    text = lines[0] if lines else type(original).__name__
    return text.rstrip(".")
