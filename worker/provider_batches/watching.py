"""Batches at the provider: watched, harvested, cleared away."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection

from ruie.db import batch_jobs, provider_batches, provider_lines
from ruie.db.provider_batches import TOO_MANY_TOKENS, ProviderBatch
from ruie.llm.batches import Phase, RemoteBatch
from ruie.worker.prices import Price, price_of
from ruie.worker.provider_batches.harvest import book_double, harvest
from ruie.worker.provider_batches.steps import SOUGHT_EVERY_S, Steps

log = logging.getLogger("ruie.batches")

LOST_S = 600.0
"""A batch that the provider does not know is sought for so long."""
GIVEN_UP_S = 3600.0
"""Until a batch that was cancelled for its deadline has ended, its items wait no longer than so."""
DOUBLED_S = 900.0
"""A second batch of one is sought for so long, and once more when the first has ended."""


class Watching(Steps):
    """Steps with a batch that the provider has."""

    async def watch(self, batch: ProviderBatch) -> None:
        assert batch.provider_id is not None
        remote = await self._service.get(batch.provider_id)
        if remote is None:
            await self._missing(batch)
            return
        new = (batch.since_s or 0.0) < DOUBLED_S or remote.phase is not Phase.RUNNING
        if batch.doubles is None and new:
            await self._seek_doubles(batch)
        if remote.phase is Phase.RUNNING:
            await self._still_running(batch, remote)
        elif remote.phase is Phase.FAILED:
            await self._failed(batch, remote)
        else:
            await self._store.write(
                partial(provider_batches.ended, batch_id=batch.id, provider_state=remote.state)
            )

    async def _seek_doubles(self, batch: ProviderBatch) -> bool:
        """Note what the provider has made besides it. Whether there may be more."""
        found = await self.seek(batch)
        others = [each for each in found.batches if each.id != batch.provider_id]
        await self.note_doubles(batch, others)
        return found.undecided > 0

    async def _still_running(self, batch: ProviderBatch, remote: RemoteBatch) -> None:
        age_s = batch.since_s or 0.0
        late_s = age_s - self._config.llm_batch_deadline_h * 3600
        if (batch.cancelling or late_s > 0) and "cancel" not in remote.state:
            await self._service.cancel(remote.id)
        if late_s > GIVEN_UP_S:
            await self._store.write(partial(_let_go, batch=batch))
        await self._store.write(
            partial(
                provider_batches.still_running,
                batch_id=batch.id,
                delay_s=min(self._config.llm_batch_poll_s, max(0.5, age_s / 20)),
                provider_state=remote.state,
                answered=remote.answered,
                failed=remote.failed,
            )
        )

    async def _failed(self, batch: ProviderBatch, remote: RemoteBatch) -> None:
        """The provider refused it after it was created: nothing was charged."""
        reason = remote.reason or "It says no more."
        if remote.too_many_tokens:
            state = TOO_MANY_TOKENS
            error = f"Too many tokens are enqueued: {reason}"
        else:
            state, error = remote.state, f"The provider refuses the batch: {reason}"
        await self._store.write(
            partial(provider_batches.ended, batch_id=batch.id, provider_state=state, error=error)
        )

    async def _missing(self, batch: ProviderBatch) -> None:
        """The provider does not know it any more. What it may have cost stays reserved."""
        if (batch.since_s or 0.0) < LOST_S:
            await self.look_again(batch, SOUGHT_EVERY_S, "The provider does not know it.")
            return
        log.error("batch %d: the provider has lost it", batch.id)
        error = "The provider does not know it any more."
        while await self._store.write(
            partial(provider_lines.give_up, batch_id=batch.id, error=error)
        ):
            pass
        await self._store.write(
            lambda conn: (
                provider_batches.ended(conn, batch.id, "lost", error),
                provider_batches.harvested(conn, batch.id),
                provider_batches.done(conn, batch.id),
            )
        )

    async def harvest(self, batch: ProviderBatch) -> None:
        assert batch.provider_id is not None
        remote = await self._service.get(batch.provider_id)
        if remote is None:
            await self.look_again(batch, SOUGHT_EVERY_S, "The provider does not know it.")
            return
        price = self._price(batch)
        if batch.doubles is not None:
            first = await self._store.read(partial(provider_batches.find, batch_id=batch.doubles))
            token = first.token if first else ""
            await book_double(self._store, self._service, batch, token, remote, price)
            return
        await harvest(self._store, self._service, batch, remote, price)
        await self._return_the_rest(batch, remote)
        if remote.phase is Phase.FAILED and batch.provider_state != TOO_MANY_TOKENS:
            reason = batch.error or "The provider refuses the batch."
            await self._store.write(partial(batch_jobs.pause, scope=batch.scope, reason=reason))
        await self._store.write(partial(provider_batches.harvested, batch_id=batch.id))
        log.info("batch %d is harvested (%s)", batch.id, remote.state)

    async def _return_the_rest(self, batch: ProviderBatch, remote: RemoteBatch) -> None:
        """Requests for which no line came. Of a batch that was completed they may have been charged
        all the same: nobody can know."""
        back: Callable[[Connection], int]
        if batch.provider_state == TOO_MANY_TOKENS:
            back = partial(provider_lines.wait_again, batch_id=batch.id)
        elif remote.complete:
            error = "The provider completed the batch, and has no line for this request."
            back = partial(provider_lines.give_up, batch_id=batch.id, error=error)
        else:
            alone = await self._alone(batch, remote)
            back = partial(provider_lines.return_unanswered, batch_id=batch.id, alone=alone)
        while await self._store.write(back):
            pass

    async def _alone(self, batch: ProviderBatch, remote: RemoteBatch) -> frozenset[str]:
        """Jobs that ask one by one what the batch has not answered in time."""
        if remote.phase is Phase.FAILED:
            return frozenset()
        return await self._store.read(partial(batch_jobs.falling_back, scope=batch.scope))

    async def clear(self, batch: ProviderBatch) -> None:
        assert batch.provider_id is not None
        if batch.doubles is None and await self._seek_doubles(batch):
            await self.look_again(batch, self._config.llm_batch_poll_s)
            return
        remote = await self._service.get(batch.provider_id)
        if remote is not None:
            shared = batch.doubles is not None
            await self._service.discard(remote, keep_input=shared)
        failed = batch.provider_state == TOO_MANY_TOKENS or (
            remote is not None and remote.phase is Phase.FAILED
        )
        await self._store.write(partial(provider_batches.done, batch_id=batch.id, failed=failed))

    def _price(self, batch: ProviderBatch) -> Price | None:
        return price_of(batch.model, self._config.llm_prices, self._config.llm_base_url)


def _let_go(conn: Connection, batch: ProviderBatch) -> None:
    alone = batch_jobs.falling_back(conn, batch.scope)
    provider_lines.release_items(conn, batch.id, alone)
