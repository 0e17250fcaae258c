"""Which batches are in a process together, and which must be in it alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Company:
    """Batches join each other; one that may kill the process waits until the others have gone, and
    meanwhile nobody new is admitted."""

    def __init__(self) -> None:
        self._door = asyncio.Lock()
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """In company; waits while somebody is alone, or waits to be."""
        async with self._door:
            self._come()
        try:
            yield
        finally:
            self._go()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """With nobody else; for somebody who has joined."""
        self._go()
        try:
            async with self._door:
                await self._empty.wait()
                yield
        finally:
            self._come()

    def _come(self) -> None:
        self._inside += 1
        self._empty.clear()

    def _go(self) -> None:
        self._inside -= 1
        if not self._inside:
            self._empty.set()
