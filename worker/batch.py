"""One batch from its message to its records: lease, reuse, prepare, ask, save.

Each item ends in a transaction of its own, under the token that holds its lease. What has not
ended when time is up or the job is paused is given back unharmed. A worker that is told to stop
(SIGTERM) ends its batches first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from db import jobs, queue, results
from db.engine import one_line, reading
from db.sql import pieces
from ruie.errors import CallError, TransientCallError
from ruie.extractor import Answer, Extractor, Question
from ruie.prompts import PROMPT_VERSION
from ruie.schema import Schema
from worker.retries import (
    Decision,
    PauseEndpoint,
    PauseJob,
    Quarantine,
    Retry,
    RetryPolicy,
    decide,
)

log = logging.getLogger("ruie.batch")

BATCH_SECONDS = 600.0
"""A batch gives back what it has not begun by then; long waits for a rate limit belong in SQL."""
PREPARED_AT_A_TIME = 16
"""Questions encoded together: enough for full batches of the encoder (benchmarks/overhead.md)."""
WATCH_S = 5.0
"""How often a batch looks whether its job was paused, at least."""
DATABASE_AWAY_S = 60.0

T = TypeVar("T")


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
    outcome: Outcome = field(default_factory=Outcome)


class BatchRunner:
    """Works off batches in one process.

    open_extractor gives the extractor for a job (bundle, model, decoding, limits). The database
    is spoken to in `executor`, a single thread, so that a slow commit holds up no call in flight.
    """

    def __init__(
        self,
        engine: Engine,
        open_extractor: Callable[[jobs.Job], Extractor],
        executor: Executor,
        owner: str,
        *,
        lease_s: float,
        policy: RetryPolicy,
    ) -> None:
        self._engine = engine
        self._open_extractor = open_extractor
        self._executor = executor
        self._owner = owner
        self._lease_s = lease_s
        self._policy = policy

    async def run(self, batch_id: str) -> Outcome:
        """Work off one batch. A batch that is known no longer, or a second message for it, gives
        an empty outcome."""
        leased = await self._write(
            lambda conn: queue.lease(conn, batch_id, self._owner, self._lease_s)
        )
        if not leased:
            return Outcome()
        held = {item.id: item for item in leased}
        try:
            job = await self._read(lambda conn: jobs.get_job(conn, leased[0].job_id))
            work = _Work(
                job,
                Schema.from_body(job.schema_body),
                self._open_extractor(job),
                held,
                Outcome(leased=len(leased)),
            )
            await self._until_stopped(work, leased)
            work.outcome.returned = len(held)
            return work.outcome
        finally:
            if held:
                rest = list(held.values())
                await self._write(lambda conn: queue.release(conn, rest))

    async def _until_stopped(self, work: _Work, leased: Sequence[queue.LeasedItem]) -> None:
        """Work until everything has ended, time is up or the job no longer runs."""
        working = asyncio.create_task(self._work_off(work, leased))
        watching = asyncio.create_task(self._watch(work))
        try:
            await asyncio.wait(
                {working, watching}, timeout=BATCH_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            watching.cancel()
            if not working.done():
                log.info("%d items of job %s go back", len(work.items), work.job.id)
                working.cancel()
            ended = await asyncio.gather(working, watching, return_exceptions=True)
        if isinstance(ended[0], Exception):
            raise ended[0]

    async def _work_off(self, work: _Work, leased: Sequence[queue.LeasedItem]) -> None:
        schema = work.schema
        extractor = work.extractor
        queries = {item.id: schema.query(item.task, item.text, item.trigger) for item in leased}
        keys = {item.id: extractor.key(queries[item.id]) for item in leased}
        paid = await self._read(lambda conn: results.find_paid(conn, list(keys.values())))
        fresh: list[queue.LeasedItem] = []
        for item in leased:
            if answered := paid.get(keys[item.id]):
                await self._reuse(work, item, answered)
            else:
                fresh.append(item)
        # The next few are encoded while others are being asked: a process never waits for its
        # encoder with no call in flight. Nor does it encode far ahead: the processes of a machine
        # would all do so at once, and then all wait for answers.
        room = asyncio.Semaphore(work.extractor.llm.max_in_flight + PREPARED_AT_A_TIME)

        async def one(item: queue.LeasedItem, question: Question) -> None:
            try:
                await self._one(work, item, question)
            finally:
                room.release()

        async with asyncio.TaskGroup() as group:
            for few in pieces(fresh, PREPARED_AT_A_TIME):
                for _ in few:
                    await room.acquire()
                questions = await asyncio.to_thread(
                    work.extractor.prepare, [queries[item.id] for item in few]
                )
                for item, question in zip(few, questions, strict=True):
                    group.create_task(one(item, question))

    async def _one(self, work: _Work, item: queue.LeasedItem, question: Question) -> None:
        try:
            answer = await work.extractor.ask(question)
            extraction = new_extraction(work, question, answer)
            roles = work.schema.events
            saved = await self._write(
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
        linked = await self._write(lambda conn: results.reuse_result(conn, item, paid, roles=roles))
        work.items.pop(item.id, None)
        work.outcome.reused += bool(linked)

    async def _failed(
        self, work: _Work, item: queue.LeasedItem, question: Question, error: CallError
    ) -> None:
        decision = decide(error, item.attempts, self._policy)
        log.info("%s of document %d: %s, %s", item.task, item.document_id, error.kind, decision)
        work.outcome.failed += 1
        await self._write(lambda conn: _apply(conn, work, item, question, error, decision))
        work.items.pop(item.id, None)

    async def _watch(self, work: _Work) -> None:
        """Renew the leases and let go of what another worker has by now; returns when the job no
        longer runs (it was paused or cancelled)."""
        while True:
            await asyncio.sleep(min(self._lease_s / 3, WATCH_S))
            ids = list(work.items)
            kept, running = await self._write(partial(self._renew, work, ids))
            for lost in set(ids) - kept:
                work.items.pop(lost, None)
            if not running:
                return

    def _renew(self, work: _Work, ids: Sequence[int], conn: Connection) -> tuple[set[int], bool]:
        kept = queue.renew(conn, self._owner, ids, self._lease_s)
        return kept, jobs.get_job(conn, work.job.id).state == "running"

    async def _write(self, action: Callable[[Connection], T]) -> T:
        """One transaction. A database that is away is waited for: answers were paid for, and
        every action is safe to repeat under its fencing token."""

        def transaction() -> T:
            with self._engine.begin() as conn:
                return action(conn)

        deadline = time.monotonic() + DATABASE_AWAY_S
        while True:
            try:
                return await self._in_thread(transaction)
            except OperationalError as error:
                if time.monotonic() > deadline:
                    raise
                log.warning("the database is away (%s), trying again", one_line(error))
                await asyncio.sleep(0.5)

    async def _read(self, action: Callable[[Connection], T]) -> T:
        def transaction() -> T:
            with reading(self._engine) as conn:
                return action(conn)

        return await self._in_thread(transaction)

    async def _in_thread(self, transaction: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, transaction)


def _apply(
    conn: Connection,
    work: _Work,
    item: queue.LeasedItem,
    question: Question,
    error: CallError,
    decision: Decision,
) -> None:
    """Carry a decision out, in one transaction."""
    match decision:
        case Retry(delay_s, counts):
            queue.retry(conn, item, delay_s, error, counts=counts)
        case PauseEndpoint(delay_s):
            queue.retry(conn, item, delay_s, error, counts=False)
        case Quarantine():
            queue.quarantine(
                conn,
                item,
                error,
                raw_output=error.raw_output,
                prompt=list(question.call.messages),
            )
        case PauseJob():
            queue.retry(conn, item, 0.0, error, counts=False)
            jobs.set_job_state(conn, item.job_id, "paused", reason=str(error))


def new_extraction(work: _Work, question: Question, answer: Answer) -> results.NewExtraction:
    """The record of a call that succeeded."""
    extractor = work.extractor
    completion = answer.completion
    return results.NewExtraction(
        key=question.call.key,
        model=extractor.model,
        endpoint=extractor.llm.base_url,
        prompt_version=PROMPT_VERSION,
        bundle_digest=extractor.retriever.digest if extractor.retriever else "",
        schema_digest=work.job.schema_digest,
        demonstration_ids=[demo.id for demo in question.demonstrations],
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        latency_s=completion.latency_s,
        raw_output=completion.text,
        rejects=answer.parsed.rejects,
    )
