"""The database as the thread sees it that deals with batches: as long as its process leads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from ruie.db import leadership
from ruie.worker.batches.store import Store

T = TypeVar("T")


class FencedStore:
    """A store whose writes are refused once another coordinator leads. lead: name and fencing
    token."""

    def __init__(self, store: Store, lead: tuple[str, int]) -> None:
        self._store = store
        self._lead = lead

    async def write(self, action: Callable[[Connection], T]) -> T:
        """One transaction. Raises `NotLeadingError`."""
        return await self._store.write(partial(_checked, action, self._lead))

    async def record(self, action: Callable[[Connection], T]) -> T:
        """One transaction about what has happened already, whoever leads by now."""
        return await self._store.write(action)

    async def read(self, action: Callable[[Connection], T]) -> T:
        """One transaction that writes nothing."""
        return await self._store.read(action)


def _checked(action: Callable[[Connection], T], lead: tuple[str, int], conn: Connection) -> T:
    leadership.check(conn, *lead)
    return action(conn)
