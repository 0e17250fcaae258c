"""One step with one batch at the provider: sent, confirmed, watched, harvested, cleared away."""

from __future__ import annotations

import logging
from functools import partial

from sqlalchemy import Engine

from ruie.db import provider_batches
from ruie.db.provider_batches import ProviderBatch
from ruie.errors import AccountError, CallError
from ruie.llm.batches import BatchService
from ruie.settings import Settings
from ruie.worker.provider_batches.fenced import FencedStore
from ruie.worker.provider_batches.sending import Sending
from ruie.worker.provider_batches.steps import AGAIN_S
from ruie.worker.provider_batches.watching import Watching

log = logging.getLogger("ruie.batches")


class Advance:
    """Takes batches further."""

    def __init__(
        self, store: FencedStore, engine: Engine, service: BatchService, config: Settings
    ) -> None:
        self._store = store
        self._config = config
        sending = Sending(store, engine, service, config)
        watching = Watching(store, service, config)
        self._steps = {
            "preparing": sending.send,
            "submitting": sending.confirm,
            "running": watching.watch,
            "ended": watching.harvest,
            "harvested": watching.clear,
        }

    async def step(self, batch: ProviderBatch) -> None:
        """What is to be done now. A failure is noted with the batch, and the step is made again
        later. Raises `NotLeadingError`."""
        try:
            await self._steps[batch.state](batch)
        except CallError as error:
            log.warning("batch %d: %s", batch.id, error)
            wait_s = max(AGAIN_S, error.retry_after or 0.0)
            if isinstance(error, AccountError):
                wait_s = self._config.llm_batch_poll_s
            again = partial(
                provider_batches.look_again, batch_id=batch.id, delay_s=wait_s, error=str(error)
            )
            await self._store.write(again)
