"""Batches on their way to the provider: sent, and sought where nobody knows if they arrived."""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from ruie.db import batch_jobs, provider_batches, provider_lines, provider_requests
from ruie.db.engine import reading
from ruie.db.known_batches import announce
from ruie.db.provider_batches import ProviderBatch
from ruie.errors import CallError, FatalCallError, RequestRefusedError
from ruie.llm.batches import BatchService, NotCreated, RemoteBatch, Unconfirmed
from ruie.settings import Settings
from ruie.worker.provider_batches.custom_ids import CustomId
from ruie.worker.provider_batches.fenced import FencedStore
from ruie.worker.provider_batches.steps import AGAIN_S, SOUGHT_EVERY_S, Steps

log = logging.getLogger("ruie.batches")

STALE_S = 5.0
"""A create is not sent if so much time has passed since it was announced: this process was held up,
and another may have taken over."""
UNDECIDED = (
    "Its creation was not confirmed. Batches of as many requests are at the provider since then;"
    " whether one of them is it shows when they have ended."
)


class Sending(Steps):
    """Steps until the provider has a batch."""

    def __init__(
        self, store: FencedStore, engine: Engine, service: BatchService, config: Settings
    ) -> None:
        super().__init__(store, service, config)
        self._engine = engine

    async def send(self, batch: ProviderBatch) -> None:
        """Upload its file and ask for it. What the provider refuses for good pauses its jobs."""
        if batch.cancelling:
            await self._withdraw(batch, "cancelled", "It was cancelled before it was sent.")
        elif not await self._store.read(partial(batch_jobs.asks_in_batches, scope=batch.scope)):
            await self._withdraw(batch, "cancelled", "Its job asks in another way now.")
        elif not await self._store.read(partial(batch_jobs.is_running, scope=batch.scope)):
            await self.look_again(batch, SOUGHT_EVERY_S)
        else:
            try:
                await self._send(batch)
            except FatalCallError as error:  # of the upload: the create's own is an outcome
                await self._refuse(batch, error)

    async def _send(self, batch: ProviderBatch) -> None:
        with tempfile.TemporaryDirectory(prefix="ruie-batch-") as folder:
            path = Path(folder) / f"ruie-{batch.token}.jsonl"
            requests = await asyncio.to_thread(self._write_file, batch, path)
            if not requests:
                await self._withdraw(batch, "cancelled", "Nothing of it is left to be sent.")
                return
            staged = batch.input_file
            if staged is None:
                staged = await self._service.stage(
                    path, f"ruie-{batch.token}-{batch.creates}.jsonl"
                )
                await self._store.write(
                    partial(provider_batches.staged, batch_id=batch.id, input_file=staged)
                )
            announced = time.monotonic()
            begin = partial(announce, batch_id=batch.id, requests=requests)
            if not await self._store.write(begin):
                return
            if time.monotonic() - announced > STALE_S:
                return  # it is sought first, as one that was not confirmed
            outcome = await self._service.create(staged, path, batch.token, batch.model)
            await self._created(replace(batch, input_file=staged), outcome)

    def _write_file(self, batch: ProviderBatch, path: Path) -> int:
        """Returns how many requests there are."""
        count = 0
        with path.open("w", encoding="utf-8") as file, reading(self._engine) as conn:
            for request, item, body in provider_requests.bodies(conn, batch.id):
                custom_id = str(CustomId(item, request, batch.token))
                line = self._service.line(custom_id, json.loads(body))
                file.write(json.dumps(line, ensure_ascii=True) + "\n")
                count += 1
        return count

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
                await self.look_again(batch, SOUGHT_EVERY_S / 5, str(error))

    async def _refuse(self, batch: ProviderBatch, error: CallError) -> None:
        """What is wrong is for a person to mend, perhaps with other settings of the job: it pauses,
        and its items go back."""
        log.warning("batch %d: the provider refuses it: %s", batch.id, error)
        await self._store.write(partial(batch_jobs.pause, scope=batch.scope, reason=str(error)))
        await self._withdraw(batch, "refused", str(error))

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

    async def confirm(self, batch: ProviderBatch) -> None:
        """The provider was asked for it, and nobody knows the answer. It is sought for a while;
        then its file is deleted, so that no request that is still on its way can make a batch of
        it, and only if it is not there even then it is made anew. Nor is it while it may be one
        that the provider has not yet said enough about."""
        found = await self.seek(batch)
        if found.batches:
            await self._found(batch, found.batches[0])
            await self.note_doubles(batch, found.batches[1:])
            return
        if found.undecided:
            await self.look_again(batch, self._config.llm_batch_poll_s, UNDECIDED)
            return
        waited, settle_s = batch.since_s or 0.0, self._config.llm_batch_settle_s
        if waited > settle_s / 2 and batch.input_file:
            await self._service.unstage(batch.input_file)
        if waited <= settle_s:
            await self.look_again(batch, min(SOUGHT_EVERY_S, settle_s / 10), batch.error)
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

    async def _withdraw(self, batch: ProviderBatch, state: str, error: str) -> None:
        """One that was never sent."""
        if batch.input_file:
            await self._service.unstage(batch.input_file)
        while await self._store.write(partial(provider_lines.return_unanswered, batch_id=batch.id)):
            pass
        await self._store.write(
            partial(provider_batches.refused, batch_id=batch.id, provider_state=state, error=error)
        )
