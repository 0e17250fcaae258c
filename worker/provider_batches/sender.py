"""Sends the batches of the fleet and watches them, beside the rounds of the leading coordinator."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from functools import partial

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ruie.db import batch_jobs, provider_batches, provider_lines, provider_requests
from ruie.db.batch_cutting import BatchLimits, Waiting, cut
from ruie.db.engine import open_engine, reading
from ruie.db.leadership import NotLeadingError
from ruie.db.outage import error_text
from ruie.db.provider_batches import ProviderBatch
from ruie.llm.batches import BatchService
from ruie.llm.batches.forms import BatchForm
from ruie.llm.connect import batch_form, batch_service
from ruie.settings import Settings
from ruie.worker.batches.store import Store
from ruie.worker.provider_batches.advance import Advance
from ruie.worker.provider_batches.fenced import FencedStore

log = logging.getLogger("ruie.batches")

ROUND_S = 1.0
AFTER_FAILURE_S = 5.0
AFTER_ERROR_S = 60.0
AT_ONCE = 4
"""Batches with which something is done at the same time: files are large."""
Lead = tuple[str, int]


class BatchSender:
    """Deals with batches in a thread of its own, for as long as its process leads and there are
    any."""

    def __init__(self, engine: Engine, config: Settings) -> None:
        self._engine = engine
        self._config = config
        self._look_from = 0.0
        self._thread: threading.Thread | None = None
        self._lead: Lead | None = None
        self._stop = threading.Event()

    def lead(self, lead: Lead) -> None:
        """Called in every round of the leader; begins where there is work and nothing runs yet."""
        self._lead = lead
        now = time.monotonic()
        if (self._thread is not None and self._thread.is_alive()) or now < self._look_from:
            return
        self._look_from = now + ROUND_S
        with reading(self._engine) as conn:
            there_is_work = batch_jobs.any_work(conn)
        if there_is_work:
            self._thread = threading.Thread(
                target=self._work, args=(lead,), name="ruie-provider-batches", daemon=True
            )
            self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End after the step that is under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _work(self, lead: Lead) -> None:
        try:
            asyncio.run(self._run(lead))
        except NotLeadingError:
            log.info("another coordinator leads, and deals with the batches")
        except Exception as error:  # a later round of the coordinator begins anew
            log.warning("batches cannot be dealt with: %s", error_text(error))
            self._look_from = time.monotonic() + AFTER_FAILURE_S

    async def _run(self, lead: Lead) -> None:
        engine = open_engine(self._config.database_url)
        store = Store(engine)
        service = batch_service(self._config)
        try:
            fenced = FencedStore(store, lead)
            advance = Advance(fenced, engine, service, self._config)
            rounds = _Rounds(fenced, advance, service, self._config)
            while not self._stop.is_set() and self._lead == lead:
                if not await rounds.round():
                    break
                await asyncio.sleep(ROUND_S)
            await rounds.finish()
        finally:
            await service.close()
            await asyncio.to_thread(store.close)


class _Rounds:
    """One round after the other: requests are put into batches, and batches are taken further."""

    def __init__(
        self, store: FencedStore, advance: Advance, service: BatchService, config: Settings
    ) -> None:
        self._store = store
        self._advance = advance
        self._steps: dict[int, asyncio.Task[None]] = {}
        self._endpoint = config.llm_endpoint
        self._limits = BatchLimits(
            min(config.llm_batch_requests, service.most_requests),
            service.most_bytes,
            config.llm_batch_tokens,
        )
        self._waiting = Waiting(self._limits.requests, config.llm_batch_wait_s)
        self._sends = batch_form(config) is not BatchForm.FILE

    async def round(self) -> bool:
        """Whether there is more to do, now or later. Raises `NotLeadingError`, and what the
        database does."""
        for batch_id, task in list(self._steps.items()):
            if task.done():
                del self._steps[batch_id]
                task.result()
        if await self._store.read(provider_requests.any_waiting):
            while await self._store.write(self._put_together):
                pass
        there = await self._store.read(provider_batches.open_batches)
        due = [each for each in there if each.due]
        if due:
            await self._store.write(provider_batches.cancel_unwanted)
        for batch in due:
            if batch.id not in self._steps and len(self._steps) < AT_ONCE:
                self._steps[batch.id] = asyncio.create_task(self._step(batch))
        return bool(there) or await self._store.read(batch_jobs.any_work)

    async def finish(self) -> None:
        """Wait for the steps that are under way."""
        await asyncio.gather(*self._steps.values(), return_exceptions=True)

    async def _step(self, batch: ProviderBatch) -> None:
        try:
            await self._advance.step(batch)
        except (NotLeadingError, DBAPIError):
            raise
        except Exception as error:  # an error of ours holds up this batch, and no other
            log.error("batch %d cannot be dealt with", batch.id, exc_info=error)
            again = partial(
                provider_batches.look_again,
                batch_id=batch.id,
                delay_s=AFTER_ERROR_S,
                error=f"{type(error).__name__}: {error}",
            )
            await self._store.write(again)

    def _put_together(self, conn: Connection) -> bool:
        """Whether there may be more to do."""
        more = provider_lines.return_unwanted(conn) > 0
        for job_id in batch_jobs.jobs_without_batches(conn):
            more = provider_lines.return_waiting(conn, job_id) > 0 or more
        made = self._sends and cut(conn, self._endpoint, self._limits, self._waiting)
        if made:
            log.info("batches %s are put together", ", ".join(map(str, made)))
        return more or bool(made)
