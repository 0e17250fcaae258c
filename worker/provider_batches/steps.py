"""What every step with a batch at the provider needs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from ruie.db import provider_batches
from ruie.db.known_batches import add_double, known_ids
from ruie.db.provider_batches import ProviderBatch
from ruie.llm.batches import BatchService, Found, RemoteBatch, Sought
from ruie.settings import Settings
from ruie.worker.provider_batches.fenced import FencedStore

log = logging.getLogger("ruie.batches")

AGAIN_S = 10.0
"""After a failure that is likely to pass."""
SOUGHT_EVERY_S = 5.0
CLOCKS_S = 600.0
"""By how much the provider's clock may differ from the database's."""


class Steps:
    """Some of the steps that a batch takes. Each raises `CallError`, `NotLeadingError`."""

    def __init__(self, store: FencedStore, service: BatchService, config: Settings) -> None:
        self._store = store
        self._service = service
        self._config = config

    async def seek(self, batch: ProviderBatch) -> Found:
        """What the provider has under its token, but for what is known to be another."""
        known = await self._store.read(partial(known_ids, batch=batch))
        last = batch.submitted_at or batch.created_at
        return await self._service.find(
            Sought(
                token=batch.token,
                since=batch.created_at.timestamp() - CLOCKS_S,
                until=last.timestamp() + CLOCKS_S,
                requests=batch.requests,
                known=known,
            )
        )

    async def note_doubles(self, batch: ProviderBatch, others: Sequence[RemoteBatch]) -> None:
        """Others of the same token are to be cancelled, and what they cost to be booked."""
        for other in others:
            if await self._store.write(partial(add_double, batch=batch, provider_id=other.id)):
                log.warning(
                    "batch %d: the provider has made a second of it, %s", batch.id, other.id
                )

    async def look_again(
        self, batch: ProviderBatch, delay_s: float, error: str | None = None
    ) -> None:
        """Nothing is to be done with it for so many seconds."""
        await self._store.write(
            partial(provider_batches.look_again, batch_id=batch.id, delay_s=delay_s, error=error)
        )
