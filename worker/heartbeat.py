"""A process's word that it is alive, for people to see: one row in SQL, one statement every ten
seconds. Whatever goes wrong with it is a line in the log, and neither ends nor holds up anything.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable
from concurrent.futures import TimeoutError as TooLongError

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ruie import __version__
from ruie.db import processes
from ruie.db.outage import error_text
from ruie.errors import RuieError

log = logging.getLogger("ruie.heartbeat")

Transact = Callable[[Callable[[Connection], object]], object]
"""Runs what it is given in one transaction, once."""


def process_name() -> str:
    """What this process is called in leases, in the leadership and in `processes`."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"


class Heartbeat:
    """The row of one process. kind, name: see `ruie.db.processes`."""

    def __init__(self, kind: processes.Kind, name: str, transact: Transact) -> None:
        host = socket.gethostname()
        self._who = processes.Identity(name, kind, host, os.getpid(), __version__)
        self._transact = transact
        self._started = time.monotonic()
        self._due = self._started
        self._failed = False

    def beat(self, doing: processes.Doing = processes.IDLE) -> None:
        """Say it, if it is time to. It raises nothing."""
        if (now := time.monotonic()) < self._due:
            return
        self._due = now + processes.BEAT_S
        self._try(lambda conn: processes.beat(conn, self._who, doing, now - self._started))

    def leave(self) -> None:
        """The process ends. It raises nothing."""
        self._try(lambda conn: processes.leave(conn, self._who.name))

    def _try(self, action: Callable[[Connection], object]) -> None:
        try:
            self._transact(action)
        except (SQLAlchemyError, RuieError, TooLongError) as error:
            if not self._failed:  # until it succeeds again
                log.warning("cannot say that this process is alive: %s", error_text(error))
            self._failed = True
        else:
            self._failed = False
