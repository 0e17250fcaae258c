"""The life of a batch: from its message to the last of its records.

Each item ends under the token that holds its lease, in a transaction with others that end at the
same time. What has not
been sent when time is up, the job is paused or the worker stops is given back unharmed; what is
in flight then is paid for, and is waited for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from functools import partial

from ruie.db import job_states, jobs, queue
from ruie.db.chunks import contexts
from ruie.db.jobs import Priority
from ruie.errors import (
    CallError,
    EndpointAwayError,
    RateLimitedError,
    TransientCallError,
    UnavailableError,
)
from ruie.worker.batches import settlement
from ruie.worker.batches.demonstrations import Shown
from ruie.worker.batches.isolation import Isolation
from ruie.worker.batches.lanes import Lane
from ruie.worker.batches.leased_batch import LeasedBatch
from ruie.worker.batches.leases import Leases
from ruie.worker.batches.outcome import Outcome
from ruie.worker.batches.retries import RetryPolicy
from ruie.worker.batches.saver import Saver
from ruie.worker.batches.store import Store
from ruie.worker.logs import identify
from ruie.worker.tracing.spans import UNTRACED, BatchSpan, Tracer

log = logging.getLogger("ruie.batch")

BATCH_SECONDS = 600.0
"""A batch gives back what it has not sent by then; long waits for a rate limit belong in SQL."""
WATCH_S = 1.0
"""How often a batch checks whether its job was paused, and one that waits whether it should let
others go first."""
DEFER_S = 2.0
"""A batch that found its lane taken is sent again after so long."""


class BatchRunner:
    """Processes the batches of one process, several at a time, on one event loop.

    lane: what a class of jobs has in this process. grace_s: how long calls in flight may take to
    end once the worker stops. day_cap_nusd: see db/spend.py.
    """

    def __init__(
        self,
        store: Store,
        lane: Callable[[Priority], Lane],
        owner: str,
        *,
        lease_s: float,
        grace_s: float,
        policy: RetryPolicy,
        day_cap_nusd: int | None = None,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._store = store
        self._saver = Saver(store)
        self._lane = lane
        self._owner = owner
        self._lease_s = lease_s
        self._grace_s = grace_s
        self._policy = policy
        self._day_cap_nusd = day_cap_nusd
        self._tracer = tracer
        self._stopping = asyncio.Event()
        self._encoder = asyncio.Lock()
        self._isolation = Isolation()
        self._lanes: dict[Priority, Lane] = {}
        """Those that were used so far."""

    def stop(self) -> None:
        """Send nothing more; every batch ends within the grace period."""
        self._stopping.set()

    async def run(
        self, batch_id: str, priority: Priority, entered: Callable[[], object]
    ) -> Outcome:
        """Process one batch. A batch that no longer exists, or a second message for it, has an
        empty outcome.

        entered is called when the batch has its lane: the process has room for another, and must
        not wait for this one's last answers.
        """
        lane = self._lane(priority)
        if not await self._enter(lane, batch_id):
            return Outcome()
        entered()
        with ExitStack() as feeding:
            feeding.callback(lane.feeding.release)
            async with self._isolation.shared():
                # closed, and the lane free for the next, once every item has been started
                return await self._lease_and_process(lane, batch_id, feeding.close)

    async def _enter(self, lane: Lane, batch_id: str) -> bool:
        """Wait for the lane. False: the batch was put back, because the worker stops, or because
        others wait whose lane is free."""
        self._lanes[lane.priority] = lane
        while not self._stopping.is_set():
            try:
                await asyncio.wait_for(lane.feeding.acquire(), WATCH_S)
                return True
            except TimeoutError:
                free = [int(each) for each in Priority if not self._is_fed(each)]
                if await self._store.read(partial(queue.class_waits, priorities=free)):
                    break
        await self._store.write(lambda conn: queue.defer_batch(conn, batch_id, DEFER_S))
        return False

    def _is_fed(self, priority: Priority) -> bool:
        return priority in self._lanes and self._lanes[priority].feeding.locked()

    async def _lease_and_process(
        self, lane: Lane, batch_id: str, all_started: Callable[[], object]
    ) -> Outcome:
        job = await self._store.read(partial(jobs.of_batch, batch_id=batch_id))
        if job is None:
            return Outcome()
        identify(job_id=job.id)
        # before there is a lease: what is new may have to be encoded, which takes its time
        shown = await lane.demonstrations.for_job(self._store, job)
        requested_at = time.monotonic()
        leased = await self._store.write(
            lambda conn: queue.lease(conn, batch_id, self._owner, self._lease_s)
        )
        if not leased:
            return Outcome()
        leases = Leases(self._store, self._owner, self._lease_s, requested_at)
        with self._tracer.batch(job, batch_id, len(leased)) as span:
            outcome = await self._process_leased(
                lane, leased, leases, job, shown, span, all_started
            )
            span.done(asdict(outcome))
            return outcome

    async def _process_leased(
        self,
        lane: Lane,
        leased: Sequence[queue.LeasedItem],
        leases: Leases,
        job: jobs.Job,
        shown: Shown,
        span: BatchSpan,
        all_started: Callable[[], object],
    ) -> Outcome:
        try:
            if not await self._resolve(lane, leased, job):
                return Outcome(len(leased), returned=len(leased))
            batch = await self._open(lane, leased, leases, job, shown, span)
        except BaseException:
            await self._store.write(lambda conn: queue.release(conn, leased))
            raise
        try:
            await self._process(batch, all_started)
        finally:
            await batch.give_back()
        return batch.outcome

    async def _resolve(self, lane: Lane, leased: Sequence[queue.LeasedItem], job: jobs.Job) -> bool:
        """Whether the model is known, where the job names none, and the form of its answers. If
        not, the items go back: until the endpoint answers, or, where it refuses, until somebody
        resumes the job."""
        try:
            await lane.resolve_model()
            await lane.resolve_form(job, {item.overrides.model or "" for item in leased})
        except RateLimitedError as error:
            wait_s = DEFER_S if error.retry_after is None else error.retry_after
            await self._store.write(lambda conn: queue.release(conn, leased, wait_s))
        except EndpointAwayError:
            await self._store.write(lambda conn: queue.release(conn, leased))
        except (UnavailableError, TransientCallError) as error:
            await lane.llm.gate.unreachable(lane.llm.base_url, error.message)
            await self._store.write(lambda conn: queue.release(conn, leased))
        except CallError as error:
            refuse = partial(settlement.refuse_all, leased=leased, reason=str(error))
            await self._store.write(refuse)
        else:
            return True
        return False

    async def _open(
        self,
        lane: Lane,
        leased: Sequence[queue.LeasedItem],
        leases: Leases,
        job: jobs.Job,
        shown: Shown,
        span: BatchSpan,
    ) -> LeasedBatch:
        if not job.bundle_digest and (digest := shown.bundle_digest):
            await self._store.write(lambda conn: jobs.record_bundle(conn, job.id, digest))
        by_document: dict[int, str] = {}
        if key := job.settings.context:
            documents = sorted({item.document_id for item in leased})
            by_document = await self._store.read(
                lambda conn: contexts(conn, job.id, documents, key)
            )
        return LeasedBatch(
            self._store,
            self._saver,
            lane,
            job,
            leased,
            leases,
            self._policy,
            self._day_cap_nusd,
            self._encoder,
            by_document,
            shown,
            span,
        )

    async def _process(self, batch: LeasedBatch, all_started: Callable[[], object]) -> None:
        """Until every item has ended or was called off."""

        async def process() -> None:
            alone = self._isolation.exclusive() if batch.suspect else nullcontext()
            async with alone, asyncio.TaskGroup() as group:
                await batch.feed(group)
                all_started()

        processing = asyncio.create_task(process())
        watching = asyncio.create_task(self._watch(batch))
        stopping = asyncio.create_task(self._stop(batch, processing))
        timer = asyncio.get_running_loop().call_later(BATCH_SECONDS, batch.call_off)
        try:
            # watching ends before the processing only by an error
            await asyncio.wait({processing, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            tasks = (processing, watching, stopping)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _watch(self, batch: LeasedBatch) -> None:
        """Renew the leases, let go of what another worker has by now, and call off the rest once
        the job no longer runs (it was paused or cancelled)."""
        job_id = batch.job.id
        due = time.monotonic() + self._lease_s / 3
        while True:
            await asyncio.sleep(min(self._lease_s / 3, WATCH_S))
            if time.monotonic() >= due:
                due = time.monotonic() + self._lease_s / 3
                await batch.renew()
            states = await self._store.read(lambda conn: job_states.get_job_states(conn, [job_id]))
            if states.get(job_id) != "running":
                batch.call_off()

    async def _stop(self, batch: LeasedBatch, processing: asyncio.Task[None]) -> None:
        """When the worker stops: nothing more is sent, what is in flight has its grace, and the
        rest goes back at once, so that nothing else is lost where somebody kills the worker."""
        await self._stopping.wait()
        batch.call_off()
        try:
            async with asyncio.timeout(self._grace_s):
                await batch.give_back_unsent()
                await asyncio.wait({processing})
        except TimeoutError:
            log.info("calls in flight did not end within %g s", self._grace_s)
        finally:
            processing.cancel()
