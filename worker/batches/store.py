"""The database as an event loop sees it: threads of its own, so that a slow commit holds up no call
in flight."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine

from ruie.db.engine import reading
from ruie.db.outage import Outage

PATIENCE_S = 60.0
"""How long the database may be unavailable."""
LONGEST_PAUSE_S = 0.5

FAR_S = 0.02
LOOKED_AT = 8
"""The database is far away if the fastest of so many reads took longer than that."""

T = TypeVar("T")


CONNECTIONS = 3
"""Of a process to PostgreSQL: while one saves answers, the next calls are prepared. SQLite has one
writer anyway."""


class Store:
    """Transactions on one engine. They begin in order, a few at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        at_once = CONNECTIONS if engine.dialect.name == "postgresql" else 1
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="ruie-sql")
        self._reads_s: deque[float] = deque(maxlen=LOOKED_AT)
        self._waiting: deque[Callable[[], None]] = deque()

    async def write(self, action: Callable[[Connection], T], *, urgent: bool = False) -> T:
        """One transaction; an urgent one goes ahead of those that wait. It is repeated while the
        database is unavailable: answers were paid for, and every action is safe to repeat under its
        fencing token."""

        def transaction() -> T:
            with self._engine.begin() as conn:
                return action(conn)

        return await self._run(transaction, urgent)

    @property
    def far(self) -> bool:
        """Whether round trips to the database take long."""
        return len(self._reads_s) == LOOKED_AT and min(self._reads_s) > FAR_S

    async def read(self, action: Callable[[Connection], T]) -> T:
        """Statements that write nothing. On PostgreSQL each is a transaction of its own, which
        saves two round trips."""

        def transaction() -> T:
            began = time.monotonic()
            with reading(self._engine) as conn:
                if conn.dialect.name == "postgresql":
                    conn = conn.execution_options(isolation_level="AUTOCOMMIT")
                result = action(conn)
            self._reads_s.append(time.monotonic() - began)
            return result

        return await self._run(transaction)

    def once(self, action: Callable[[Connection], T]) -> Future[T]:
        """One transaction, in its turn, and not repeated; from any thread."""

        def transaction() -> T:
            with self._engine.begin() as conn:
                return action(conn)

        return self._submit(transaction, urgent=False)

    def dispose(self) -> None:
        """Close the connections that are not in use."""
        self._engine.dispose()

    def close(self) -> None:
        """Wait for the transactions that have begun, and close the connections."""
        self._threads.shutdown()
        self._engine.dispose()

    async def _run(self, transaction: Callable[[], T], urgent: bool = False) -> T:
        outage = Outage(
            PATIENCE_S,
            longest_pause_s=LONGEST_PAUSE_S,
            hint="The items are sent again when their leases have run out.",
        )
        while True:
            try:
                return await asyncio.wrap_future(self._submit(transaction, urgent))
            except Exception as error:  # whatever is no outage is raised by it
                await asyncio.sleep(outage.pause_s(error))

    def _submit(self, transaction: Callable[[], T], urgent: bool) -> Future[T]:
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(transaction())
            except BaseException as error:
                future.set_exception(error)

        if urgent:
            self._waiting.appendleft(run)
        else:
            self._waiting.append(run)
        # A thread runs the first one by then, which need not be this.
        self._threads.submit(lambda: self._waiting.popleft()())
        return future
