"""One batch from its message to its records: lease, reuse, prepare, ask, save.

Each item ends in a transaction of its own, under the token that holds its lease. What has not
been sent when time is up, the job is paused or the worker stops is given back unharmed; what is
in flight then is paid for, and is waited for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from db import jobs, queue, results
from db.sql import pieces
from ruie.errors import CallError, TransientCallError
from ruie.extractor import Extractor, Question
from ruie.schema import Schema
from worker import endings
from worker.retries import RetryPolicy, decide
from worker.store import Store

log = logging.getLogger("ruie.batch")

BATCH_SECONDS = 600.0
"""A batch gives back what it has not sent by then; long waits for a rate limit belong in SQL."""
PREPARED_AT_A_TIME = 16
"""Questions encoded together: enough for full batches of the encoder (benchmarks/overhead.md)."""
WATCH_S = 1.0
"""How often a batch looks whether its job was paused, at least."""


@dataclass(slots=True)
class Outcome:
    """What became of a batch's items."""

    leased: int = 0
    reused: int = 0
    saved: int = 0
    failed: int = 0
    returned: int = 0
    lost: int = 0
    """Results thrown away because another worker held the lease by then."""


@dataclass(slots=True)
class _Work:
    """A batch in progress."""

    job: jobs.Job
    schema: Schema
    extractor: Extractor
    items: dict[int, queue.LeasedItem]
    """Held and not yet ended, by id."""
    unsent: set[asyncio.Task[None]] = field(default_factory=set)
    """What can still be called off: nothing of it has been sent."""
    outcome: Outcome = field(default_factory=Outcome)

    def call_off(self) -> None:
        """Send nothing more; what was not sent is given back when the rest has ended."""
        for task in list(self.unsent):
            task.cancel()


class BatchRunner:
    """Works off the batches of one process, several at a time, on one event loop.

    open_extractor gives the extractor for a job (bundle, model, decoding, limits). max_in_flight
    is the process's: batches share its calls in flight. grace_s: how long calls in flight may
    take to end once the batch may not go on.
    """

    def __init__(
        self,
        store: Store,
        open_extractor: Callable[[jobs.Job], Extractor],
        owner: str,
        *,
        max_in_flight: int,
        lease_s: float,
        grace_s: float,
        policy: RetryPolicy,
    ) -> None:
        self._store = store
        self._open_extractor = open_extractor
        self._owner = owner
        self._lease_s = lease_s
        self._grace_s = grace_s
        self._policy = policy
        self._stopping = asyncio.Event()
        # The next few are encoded while others are being asked: a process never waits for its
        # encoder with no call in flight. Nor does it encode far ahead: the processes of a machine
        # would all do so at once, and then all wait for answers.
        self._room = asyncio.Semaphore(max_in_flight + PREPARED_AT_A_TIME)

    def stop(self) -> None:
        """Send nothing more; every batch ends within the grace period."""
        self._stopping.set()

    async def run(self, batch_id: str, handed_over: Callable[[], object]) -> Outcome:
        """Work off one batch. A batch that is known no longer, or a second message for it, gives
        an empty outcome.

        handed_over is called when all its questions are on their way or next in line: the
        process has room for another batch, and must not wait for this one's last answers.
        """
        if self._stopping.is_set():
            return Outcome()
        leased = await self._store.write(
            lambda conn: queue.lease(conn, batch_id, self._owner, self._lease_s)
        )
        if not leased:
            return Outcome()
        held = {item.id: item for item in leased}
        try:
            job = await self._store.read(lambda conn: jobs.get_job(conn, leased[0].job_id))
            schema = Schema.from_body(job.schema_body)
            work = _Work(job, schema, self._open_extractor(job), held)
            work.outcome.leased = len(leased)
            await self._to_its_end(work, leased, handed_over)
            work.outcome.returned = len(held)
            return work.outcome
        finally:
            if held:
                rest = list(held.values())
                await self._store.write(lambda conn: queue.release(conn, rest))

    async def _to_its_end(
        self, work: _Work, leased: Sequence[queue.LeasedItem], handed_over: Callable[[], object]
    ) -> None:
        """Work until every item has ended or was called off."""
        working = asyncio.create_task(self._work_off(work, leased, handed_over))
        watching = asyncio.create_task(self._watch(work))
        stopping = asyncio.create_task(self._stop(work, working))
        timer = asyncio.get_running_loop().call_later(BATCH_SECONDS, work.call_off)
        try:
            # watching ends before the work only by an error
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            for task in (working, watching, stopping):
                task.cancel()
            ended = await asyncio.gather(working, watching, stopping, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _work_off(
        self, work: _Work, leased: Sequence[queue.LeasedItem], handed_over: Callable[[], object]
    ) -> None:
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(self._feed(work, leased, group))
            work.unsent.add(feeding)
            await asyncio.wait({feeding})  # it may be called off, which is no error
            handed_over()

    async def _feed(
        self, work: _Work, leased: Sequence[queue.LeasedItem], group: asyncio.TaskGroup
    ) -> None:
        """Give every item its task, as there is room."""
        extractor = work.extractor
        queries = {
            item.id: work.schema.query(item.task, item.text, item.trigger) for item in leased
        }
        keys = {item.id: extractor.key(queries[item.id]) for item in leased}
        paid = await self._store.read(lambda conn: results.find_paid(conn, list(keys.values())))
        fresh: list[queue.LeasedItem] = []
        for item in leased:
            if answered := paid.get(keys[item.id]):
                await self._reuse(work, item, answered)
            else:
                fresh.append(item)
        for few in pieces(fresh, PREPARED_AT_A_TIME):
            taken = 0
            try:
                for _ in few:
                    await self._room.acquire()
                    taken += 1
                asked = [queries[item.id] for item in few]
                questions = await asyncio.to_thread(extractor.prepare, asked)
                for item, question in zip(few, questions, strict=True):
                    task = group.create_task(self._one(work, item, question))
                    work.unsent.add(task)
                    # however the task ends, also if it never began
                    task.add_done_callback(lambda _: self._room.release())
                    task.add_done_callback(work.unsent.discard)
                    taken -= 1
            finally:
                for _ in range(taken):
                    self._room.release()

    async def _one(self, work: _Work, item: queue.LeasedItem, question: Question) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            answer = await work.extractor.ask(question, partial(work.unsent.discard, task))
            extraction = endings.new_extraction(work.job, work.extractor, answer)
            roles = work.schema.events
            saved = await self._store.write(
                lambda conn: results.save_result(conn, item, extraction, answer.items, roles)
            )
        except Exception as error:
            # A fault of ours ends this item and not the batch: it is counted like any other.
            if not isinstance(error, CallError):
                log.exception("%s of document %d", item.task, item.document_id)
                error = TransientCallError(f"{type(error).__name__}: {error}")
            if item.id in work.items:
                await self._failed(work, item, question, error)
            return
        work.items.pop(item.id, None)
        if saved:
            work.outcome.saved += 1
        else:
            work.outcome.lost += 1

    async def _reuse(
        self, work: _Work, item: queue.LeasedItem, paid: results.PaidExtraction
    ) -> None:
        roles = work.schema.events
        linked = await self._store.write(
            lambda conn: results.reuse_result(conn, item, paid, roles=roles)
        )
        work.items.pop(item.id, None)
        work.outcome.reused += bool(linked)

    async def _failed(
        self, work: _Work, item: queue.LeasedItem, question: Question, error: CallError
    ) -> None:
        decision = decide(error, item.attempts, self._policy)
        log.info("%s of document %d: %s, %s", item.task, item.document_id, error.kind, decision)
        work.outcome.failed += 1
        await self._store.write(lambda conn: endings.apply(conn, item, question, error, decision))
        work.items.pop(item.id, None)

    async def _watch(self, work: _Work) -> None:
        """Renew the leases, let go of what another worker has by now, and call off the rest once
        the job no longer runs (it was paused or cancelled)."""
        job_id = work.job.id
        due = time.monotonic() + self._lease_s / 3
        while True:
            await asyncio.sleep(min(self._lease_s / 3, WATCH_S))
            if time.monotonic() >= due:
                due = time.monotonic() + self._lease_s / 3
                ids = list(work.items)
                renew = partial(queue.renew, owner=self._owner, item_ids=ids, ttl_s=self._lease_s)
                for lost in set(ids) - await self._store.write(renew):
                    work.items.pop(lost, None)
            states = await self._store.read(lambda conn: jobs.job_states(conn, [job_id]))
            if states.get(job_id) != "running":
                work.call_off()

    async def _stop(self, work: _Work, working: asyncio.Task[None]) -> None:
        """When the worker stops: nothing more is sent, and what is in flight has its grace."""
        await self._stopping.wait()
        work.call_off()
        await asyncio.wait({working}, timeout=self._grace_s)
        working.cancel()
