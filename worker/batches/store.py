"""The database as an event loop sees it: one thread of its own, so that a slow commit holds up no
call in flight."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine

from ruie.db.engine import AWAY, one_line, reading

log = logging.getLogger("ruie.store")

AWAY_S = 60.0
"""How long a database that is away is waited for."""

T = TypeVar("T")


class Store:
    """Transactions on one engine, one at a time, in the order in which they come."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ruie-sql")
        self._waiting: deque[Callable[[], None]] = deque()

    async def write(self, action: Callable[[Connection], T], *, urgent: bool = False) -> T:
        """One transaction; an urgent one goes ahead of all that wait. A database that is away is
        waited for: answers were paid for, and every action is safe to repeat under its fencing
        token."""

        def transaction() -> T:
            with self._engine.begin() as conn:
                return action(conn)

        return await self._patiently(transaction, urgent)

    async def read(self, action: Callable[[Connection], T]) -> T:
        """One transaction that writes nothing."""

        def transaction() -> T:
            with reading(self._engine) as conn:
                return action(conn)

        return await self._patiently(transaction)

    async def _patiently(self, transaction: Callable[[], T], urgent: bool = False) -> T:
        deadline = time.monotonic() + AWAY_S
        while True:
            try:
                return await asyncio.wrap_future(self._submit(transaction, urgent))
            except AWAY as error:
                if time.monotonic() > deadline:
                    raise
                log.warning("the database is away (%s), trying again", one_line(error))
                await asyncio.sleep(0.5)

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
        # The thread runs whatever is first by then, which need not be this transaction.
        self._thread.submit(lambda: self._waiting.popleft()())
        return future
