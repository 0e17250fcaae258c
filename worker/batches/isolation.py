"""A shared/exclusive lock: which batches run in a process together, and which alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Isolation:
    """Batches share a process; one that may kill it waits until the others have ended, and no new
    one is admitted meanwhile."""

    def __init__(self) -> None:
        self._entrance = asyncio.Lock()
        self._sharing = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Together with others; waits while one holds the lock exclusively, or waits to."""
        async with self._entrance:
            self._enter()
        try:
            yield
        finally:
            self._leave()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Alone, for one that holds the lock shared: its share is given up meanwhile."""
        self._leave()
        try:
            async with self._entrance:
                await self._empty.wait()
                yield
        finally:
            self._enter()

    def _enter(self) -> None:
        self._sharing += 1
        self._empty.clear()

    def _leave(self) -> None:
        self._sharing -= 1
        if not self._sharing:
            self._empty.set()
