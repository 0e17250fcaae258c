"""What a worker's process has from its start, before its first batch: a connection to the database,
and a thread that says that it is alive.

Nothing here may be slow to load (see worker/tasks.py) or cross a fork: each process opens its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as TooLongError

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ruie.db import version
from ruie.db.engine import open_engine
from ruie.db.processes import BEAT_S, IDLE, Doing
from ruie.errors import DatabaseVersionError, RuieError
from ruie.settings import Settings, settings
from ruie.worker import shutdown
from ruie.worker.batches.store import Store
from ruie.worker.heartbeat import Heartbeat, process_name

LAST_WORD_S = 2.0
"""A process that ends waits no longer to say so."""


class Child:
    """One process of a worker. doing: what it does at this moment."""

    def __init__(self, config: Settings) -> None:
        self.pid = os.getpid()
        self.name = process_name()
        self.doing: Callable[[], Doing] = lambda: IDLE
        self._url = config.database_url
        self._store: Store | None = None
        self._opening = threading.Lock()
        self._heartbeat = Heartbeat("worker", self.name, self._transact)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="ruie-heartbeat", daemon=True)

    @property
    def store(self) -> Store:
        """The database, opened when it is first asked for. Raises UnavailableError."""
        with self._opening:
            if self._store is None:
                self._store = Store(open_engine(self._url))
            return self._store

    def start(self) -> None:
        """Say from now on that this process is alive."""
        self._thread.start()

    def close(self) -> None:
        """Say that it ends, if the database hears it at once, and let go of the connections."""
        if self._ended.is_set():
            return
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(LAST_WORD_S)
            self._heartbeat.leave()
        if self._store is not None:
            self._store.dispose()

    def _beat(self) -> None:
        while not self._ended.is_set():
            self._heartbeat.beat(self.doing())
            self._check_version()
            self._ended.wait(BEAT_S)

    def _check_version(self) -> None:
        """One that waits for work ends, too, where the database has become another version's."""
        try:
            self._transact(version.require)
        except DatabaseVersionError as error:
            shutdown.end_worker(error)
        except (SQLAlchemyError, RuieError, TooLongError):
            pass  # the next look, or the next batch, finds out

    def _transact(self, action: Callable[[Connection], object]) -> None:
        """In its turn on the connection that results are saved by. Raises TimeoutError where a
        process that ends would have to wait."""
        wait_s = LAST_WORD_S if self._ended.is_set() else None
        self.store.once(action).result(wait_s)


_child: Child | None = None


def child() -> Child:
    """This process's; a child never uses its parent's."""
    global _child
    if _child is None or _child.pid != os.getpid():
        _child = Child(settings())
    return _child


def start() -> None:
    """At the beginning of a worker's process."""
    child().start()


def close() -> None:
    """At its end."""
    if _child is not None and _child.pid == os.getpid():
        _child.close()
