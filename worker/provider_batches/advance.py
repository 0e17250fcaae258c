"""One step with one batch at the provider: sent, confirmed, watched, harvested, cleared away."""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine

from ruie.db import batch_jobs, provider_batches, provider_lines, provider_requests
from ruie.db.engine import reading
from ruie.db.provider_batches import TOO_MANY_TOKENS, ProviderBatch
from ruie.errors import AccountError, CallError, FatalCallError, RequestRefusedError
from ruie.llm.batches import BatchService, NotCreated, Phase, RemoteBatch, Unconfirmed
from ruie.settings import Settings
from ruie.worker.prices import Price, price_of
from ruie.worker.provider_batches.custom_ids import CustomId
from ruie.worker.provider_batches.fenced import FencedStore
from ruie.worker.provider_batches.harvest import book_double, harvest

log = logging.getLogger("ruie.batches")

STALE_S = 5.0
"""A create is not sent if so much time has passed since it was announced: this process was held up,
and another may have taken over."""
AGAIN_S = 10.0
"""After a failure that is likely to pass."""
SOUGHT_EVERY_S = 5.0
LOST_S = 600.0
"""A batch that the provider does not know is sought for so long."""
GIVEN_UP_S = 3600.0
"""Until a batch that was cancelled for its deadline has ended, its items wait no longer than so."""
DOUBLED_S = 900.0
"""A second batch of one is sought for so long, and once more when the first has ended."""
CLOCKS_S = 600.0
"""By how much the provider's clock may differ from the database's."""


class Advance:
    """Takes batches further. lead: the process has the lead, as far as it knows."""

    def __init__(
        self, store: FencedStore, engine: Engine, service: BatchService, config: Settings
    ) -> None:
        self._store = store
        self._engine = engine
        self._service = service
        self._config = config

    async def step(self, batch: ProviderBatch) -> None:
        """What is to be done now. A failure is noted with the batch, and the step is made again
        later. Raises `NotLeadingError`."""
        step = {
            "preparing": self._send,
            "submitting": self._confirm,
            "running": self._watch,
            "ended": self._harvest,
            "harvested": self._clear,
        }[batch.state]
        try:
            await step(batch)
        except CallError as error:
            log.warning("batch %d: %s", batch.id, error)
            wait_s = max(AGAIN_S, error.retry_after or 0.0)
            if isinstance(error, AccountError):
                wait_s = self._config.llm_batch_poll_s
            await self._store.write(
                partial(
                    provider_batches.look_again, batch_id=batch.id, delay_s=wait_s, error=str(error)
                )
            )

    async def _send(self, batch: ProviderBatch) -> None:
        if batch.cancelling:
            await self._withdraw(batch, "cancelled", "It was cancelled before it was sent.")
            return
        if not await self._store.read(partial(batch_jobs.is_running, scope=batch.scope)):
            await self._look_again(batch, SOUGHT_EVERY_S)
            return
        with tempfile.TemporaryDirectory(prefix="ruie-batch-") as folder:
            path = Path(folder) / f"ruie-{batch.token}.jsonl"
            await asyncio.to_thread(self._write_file, batch, path)
            staged = batch.input_file
            if staged is None:
                staged = await self._service.stage(
                    path, f"ruie-{batch.token}-{batch.creates}.jsonl"
                )
                await self._store.write(
                    partial(provider_batches.staged, batch_id=batch.id, input_file=staged)
                )
            announced = time.monotonic()
            if not await self._store.write(
                partial(provider_batches.begin_create, batch_id=batch.id)
            ):
                return
            if time.monotonic() - announced > STALE_S:
                return  # it is sought first, as one that was not confirmed
            await self._created(batch, await self._service.create(staged, path, batch.token))

    def _write_file(self, batch: ProviderBatch, path: Path) -> None:
        with path.open("w", encoding="utf-8") as file, reading(self._engine) as conn:
            for request, item, body in provider_requests.bodies(conn, batch.id):
                custom_id = str(CustomId(item, request, batch.token))
                line = self._service.line(custom_id, json.loads(body))
                file.write(json.dumps(line, ensure_ascii=True) + "\n")

    async def _created(
        self, batch: ProviderBatch, outcome: RemoteBatch | NotCreated | Unconfirmed
    ) -> None:
        match outcome:
            case RemoteBatch():
                await self._found(batch, outcome)
            case NotCreated(error) if isinstance(error, FatalCallError | RequestRefusedError):
                await self._refuse(batch, error)
            case NotCreated(error):
                await self._store.write(
                    partial(
                        provider_batches.not_created,
                        batch_id=batch.id,
                        error=str(error),
                        delay_s=max(AGAIN_S, error.retry_after or 0.0),
                        upload_again=False,
                    )
                )
            case Unconfirmed(error):
                log.warning("batch %d: whether it was created is not known: %s", batch.id, error)
                await self._look_again(batch, SOUGHT_EVERY_S / 5, str(error))

    async def _refuse(self, batch: ProviderBatch, error: CallError) -> None:
        """What is wrong is for a person to mend: the jobs pause, and the batch waits with them."""
        log.warning("batch %d: the provider refuses it: %s", batch.id, error)
        await self._store.write(partial(_refused, batch=batch, error=str(error)))

    async def _found(self, batch: ProviderBatch, remote: RemoteBatch) -> None:
        log.info("batch %d: %d requests, %s at the provider", batch.id, batch.requests, remote.id)
        # whoever leads by now: it is there
        await self._store.record(
            partial(
                provider_batches.created,
                batch_id=batch.id,
                provider_id=remote.id,
                provider_state=remote.state,
            )
        )

    async def _confirm(self, batch: ProviderBatch) -> None:
        """The provider was asked for it, and nobody knows the answer. It is sought for a while;
        then its file is deleted, so that no request that is still on its way can make a batch of
        it, and only if it is not there even then it is made anew."""
        found = await self._seek(batch)
        if found:
            await self._found(batch, found[0])
            await self._note_doubles(batch, found[1:])
            return
        waited, settle_s = batch.since_s or 0.0, self._config.llm_batch_settle_s
        if waited > settle_s / 2 and batch.input_file:
            await self._service.unstage(batch.input_file)
        if waited <= settle_s:
            await self._look_again(batch, min(SOUGHT_EVERY_S, settle_s / 10), batch.error)
            return
        log.warning("batch %d was not created, it is sent again", batch.id)
        await self._store.write(
            partial(
                provider_batches.not_created,
                batch_id=batch.id,
                error="Its creation was not confirmed, and it is not there.",
                delay_s=0.0,
                upload_again=True,
            )
        )

    async def _seek(self, batch: ProviderBatch) -> list[RemoteBatch]:
        return await self._service.find(batch.token, batch.created_at.timestamp() - CLOCKS_S)

    async def _note_doubles(self, batch: ProviderBatch, others: list[RemoteBatch]) -> None:
        for other in others:
            if await self._store.write(
                partial(provider_batches.add_double, batch=batch, provider_id=other.id)
            ):
                log.warning(
                    "batch %d: the provider has made a second of it, %s", batch.id, other.id
                )

    async def _watch(self, batch: ProviderBatch) -> None:
        assert batch.provider_id is not None
        remote = await self._service.get(batch.provider_id)
        if remote is None:
            await self._missing(batch)
            return
        new = (batch.since_s or 0.0) < DOUBLED_S or remote.phase is not Phase.RUNNING
        if batch.doubles is None and new:
            others = [each for each in await self._seek(batch) if each.id != remote.id]
            await self._note_doubles(batch, others)
        if remote.phase is Phase.RUNNING:
            await self._still_running(batch, remote)
        elif remote.phase is Phase.FAILED:
            await self._failed(batch, remote)
        else:
            await self._store.write(
                partial(provider_batches.ended, batch_id=batch.id, provider_state=remote.state)
            )

    async def _still_running(self, batch: ProviderBatch, remote: RemoteBatch) -> None:
        age_s = batch.since_s or 0.0
        late_s = age_s - self._config.llm_batch_deadline_h * 3600
        if (batch.cancelling or late_s > 0) and "cancel" not in remote.state:
            await self._service.cancel(remote.id)
        if late_s > GIVEN_UP_S:
            await self._store.write(partial(_let_go, batch=batch))
        await self._store.write(
            partial(
                provider_batches.look_again,
                batch_id=batch.id,
                delay_s=min(self._config.llm_batch_poll_s, max(0.5, age_s / 20)),
                provider_state=remote.state,
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
            await self._look_again(batch, SOUGHT_EVERY_S, "The provider does not know it.")
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

    async def _harvest(self, batch: ProviderBatch) -> None:
        assert batch.provider_id is not None
        remote = await self._service.get(batch.provider_id)
        if remote is None:
            await self._look_again(batch, SOUGHT_EVERY_S, "The provider does not know it.")
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
        elif remote.state == "completed":
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

    async def _clear(self, batch: ProviderBatch) -> None:
        assert batch.provider_id is not None
        remote = await self._service.get(batch.provider_id)
        if remote is not None:
            shared = batch.doubles is not None
            await self._service.discard(remote, keep_input=shared)
        failed = batch.provider_state == TOO_MANY_TOKENS or (
            remote is not None and remote.phase is Phase.FAILED
        )
        await self._store.write(partial(provider_batches.done, batch_id=batch.id, failed=failed))

    async def _withdraw(self, batch: ProviderBatch, state: str, error: str) -> None:
        """One that was never sent."""
        if batch.input_file:
            await self._service.unstage(batch.input_file)
        while await self._store.write(partial(provider_lines.return_unanswered, batch_id=batch.id)):
            pass
        await self._store.write(
            partial(provider_batches.refused, batch_id=batch.id, provider_state=state, error=error)
        )

    async def _look_again(
        self, batch: ProviderBatch, delay_s: float, error: str | None = None
    ) -> None:
        await self._store.write(
            partial(provider_batches.look_again, batch_id=batch.id, delay_s=delay_s, error=error)
        )

    def _price(self, batch: ProviderBatch) -> Price | None:
        return price_of(batch.model, self._config.llm_prices, self._config.llm_base_url)


def _refused(conn: Connection, batch: ProviderBatch, error: str) -> None:
    provider_batches.not_created(conn, batch.id, error, AGAIN_S, upload_again=True)
    batch_jobs.pause(conn, batch.scope, error)


def _let_go(conn: Connection, batch: ProviderBatch) -> None:
    alone = batch_jobs.falling_back(conn, batch.scope)
    provider_lines.release_items(conn, batch.id, alone)
