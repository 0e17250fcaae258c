"""Saving answers in groups: while some are being saved others come, and these are saved together.

So a database that is far away, or slow, makes the groups larger and not the calls fewer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from functools import partial

from ruie.errors import UnavailableError
from ruie.worker.batches import settlement
from ruie.worker.batches.settlement import Saving
from ruie.worker.batches.store import Store

MOST = 64
"""Answers in one transaction: more would hold up the first for no fewer round trips."""


class Saver:
    """Of one process, whatever job or batch the answers are of; on one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[tuple[Saving, asyncio.Future[bool]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def save(self, saving: Saving) -> bool:
        """Record a call that succeeded. False: the lease was lost. Raises what the database does,
        for this answer alone."""
        saved: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((saving, saved))
        if self._running is None or self._running.done():
            # of no item: what is logged meanwhile is not about the one that began it
            self._running = asyncio.create_task(self._run(), context=Context())
        return await saved

    async def _run(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            # whoever has gone has given the item back by now
            await self._save([each for each in group if not each[1].done()])

    async def _save(self, group: list[tuple[Saving, asyncio.Future[bool]]]) -> None:
        if not group:
            return
        savings = [saving for saving, _ in group]
        try:
            saved = await self._store.write(partial(settlement.save, savings=savings))
        except Exception as error:
            if len(group) > 1 and not isinstance(error, UnavailableError):
                for each in group:  # one of them is refused, and the others are none the worse
                    await self._save([each])
                return
            for _, waiting in group:
                if not waiting.done():
                    waiting.set_exception(error)
            return
        for saving, waiting in group:
            if not waiting.done():
                waiting.set_result(saving.item.leased.lease in saved)
