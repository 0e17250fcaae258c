"""The leases of a batch, as the worker that holds them knows them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from ruie.db import queue
from ruie.worker.batches.store import Store


class Leases:
    """Until when the leases of one batch are sure to hold.

    A lease runs by the database's clock from the moment its transaction ran. Counted from the
    moment before the worker requested that transaction, it is over earlier here than there.
    """

    def __init__(self, store: Store, owner: str, ttl_s: float, requested_at: float) -> None:
        self._store = store
        self._owner = owner
        self._ttl_s = ttl_s
        self._requested_at = requested_at

    @property
    def overdue(self) -> bool:
        """Whether a renewal that is made every third of a lease did not come in time."""
        return time.monotonic() > self._requested_at + self._ttl_s / 2

    async def renew(self, items: Sequence[queue.LeasedItem]) -> set[int]:
        """Hold them for longer; returns the ids of those that were lost."""
        requested_at = time.monotonic()
        renew = partial(queue.renew, owner=self._owner, items=items, ttl_s=self._ttl_s)
        kept = await self._store.write(renew, urgent=True)
        self._requested_at = max(self._requested_at, requested_at)
        return {item.id for item in items} - kept
