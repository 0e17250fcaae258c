"""Sources into a job, batch by batch, each in one transaction with the positions it reached.

So whatever ends it (Ctrl-C, a kill, a database that restarts), the same call continues after the
last batch: nothing twice, nothing missed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import Connection, Engine, func, select

from ruie.chunking import Chunker
from ruie.db import corpora, job_states, jobs, queue
from ruie.db.corpora import CorpusJob, Position
from ruie.db.models import origins
from ruie.db.outage import Outage, retry_during_outage
from ruie.records import Task
from ruie.worker.ingest.input_batches import InputBatch, read_batches, total_bytes
from ruie.worker.ingest.input_counter import EnqueueCounter
from ruie.worker.ingest.sources.source import Source
from ruie.worker.tracing.spans import UNTRACED, Tracer

PATIENCE_S = 600.0
"""How long the database may be unavailable in the middle of enqueueing."""
LONGEST_PAUSE_S = 15.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EnqueueProgress:
    """How far enqueueing is. Bytes are those of the sources as stored, compressed or not."""

    job_id: str
    """Empty in a dry run."""
    documents: int
    """Read so far in this call, without those refused."""
    bytes_read: int
    total_bytes: int
    """0 where the size of a source is not known."""


ProgressCallback = Callable[[EnqueueProgress], None]


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What one call enqueued."""

    job_id: str
    documents: int
    """Documents of the job, including those of an earlier, interrupted call."""
    new_documents: int
    """Distinct texts that the database did not have before this call."""
    items: int
    """Work items that this call made; events make more of them later."""
    refused: int
    errors: tuple[jobs.NewInputError, ...]
    """The first refusals; `refused` counts all of them."""
    changed: int = 0
    """Documents that the corpus had with another text, or was asked about in another way."""
    unchanged: int = 0
    """Documents of the corpus that are still as they were: they are not in the job."""
    removed: int = 0
    """Documents of the corpus that the sources no longer have."""
    continued: bool = False
    """Whether an interrupted job was continued."""


@dataclass(frozen=True, slots=True)
class StartedJob:
    """A job to fill. positions: of sources that need not be read from the beginning, or at all."""

    job_id: str
    continued: bool
    positions: dict[str, Position]
    unchanged: int = 0
    """Documents of the corpus in sources that need not be read."""


def start_job(engine: Engine, new: jobs.NewJob, sources: Sequence[Source]) -> StartedJob:
    """The interrupted job of an earlier call, or a new one.

    If a source has changed since, the job would have a part of the old and a part of the new: it is
    cancelled, and a new one takes its place. What was answered is not paid for twice.
    """

    def start(conn: Connection) -> StartedJob:
        interrupted = corpora.interrupted_job(conn, new.enqueue_key) if new.enqueue_key else None
        if interrupted is not None:
            positions = corpora.positions(conn, interrupted)
            changed = _changed(sources, positions)
            if changed is None:
                if new.cap_nusd is not None:
                    job_states.set_cap(conn, interrupted, new.cap_nusd)
                return StartedJob(interrupted, True, positions)
            reason = f"{changed} changed while it was being enqueued; another job took its place"
            job_states.set_job_state(conn, interrupted, "cancelled", reason)
        job_id = jobs.create_job(conn, new)
        if new.corpus is None or new.scope is None:
            return StartedJob(job_id, False, {})
        corpus_job = CorpusJob(job_id, new.corpus, new.question, new.again)
        fingerprints = [(source.name, source.fingerprint) for source in sources]
        same = corpora.unchanged_sources(conn, corpus_job, new.scope, fingerprints)
        corpora.set_positions(conn, job_id, same)
        counts = corpora.count_current(conn, new.corpus, new.scope) if same else {}
        return StartedJob(job_id, False, same, sum(counts.get(name, 0) for name in same))

    return transact(engine, start)


def _changed(sources: Sequence[Source], positions: dict[str, Position]) -> str | None:
    """A source whose content is no longer what it was when a part of it was read."""
    for source in sources:
        before = positions.get(source.name)
        if before and source.fingerprint and before.fingerprint != source.fingerprint:
            return source.name
    return None


def enqueue(
    engine: Engine,
    new: jobs.NewJob,
    sources: Sequence[Source],
    tasks: Sequence[Task],
    chunker: Chunker,
    progress: ProgressCallback = lambda _: None,
    tracer: Tracer = UNTRACED,
) -> Enqueued:
    """All of the sources into a job: the interrupted one of an earlier call, or a new one."""
    with tracer.enqueueing() as span:
        new = replace(new, settings=replace(new.settings, traceparent=span.traceparent))
        done = _enqueue(engine, new, sources, tasks, chunker, progress)
        span.done(done.job_id, done.documents, done.new_documents, done.items, done.refused)
    return done


def _enqueue(
    engine: Engine,
    new: jobs.NewJob,
    sources: Sequence[Source],
    tasks: Sequence[Task],
    chunker: Chunker,
    progress: ProgressCallback,
) -> Enqueued:
    """`start_job` and `fill_job`. What is interrupted and cannot be continued is cancelled: a part
    must not be processed as if it were the whole."""
    started = start_job(engine, new, sources)
    try:
        return fill_job(engine, started, new, sources, tasks, chunker, progress)
    except BaseException:
        if new.enqueue_key is None:
            with engine.begin() as conn:
                reason = "enqueueing was interrupted"
                job_states.set_job_state(conn, started.job_id, "cancelled", reason)
        raise


def fill_job(
    engine: Engine,
    started: StartedJob,
    new: jobs.NewJob,
    sources: Sequence[Source],
    tasks: Sequence[Task],
    chunker: Chunker,
    progress: ProgressCallback,
) -> Enqueued:
    """Read what is still to be read into the job, and close it."""
    job_id = started.job_id
    counter = EnqueueCounter(unchanged=started.unchanged)
    size = total_bytes(sources)
    progress(EnqueueProgress(job_id, 0, 0, size))
    for batch in read_batches(sources, started.positions, new.corpus):
        counter.add(batch, transact(engine, _writer(job_id, batch, tasks, chunker)))
        progress(EnqueueProgress(job_id, counter.documents, batch.bytes_read, size))

    def close(conn: Connection) -> tuple[int, int]:
        corpus_job = CorpusJob(job_id, new.corpus, new.question, new.again)
        removed = corpora.mark_removed(conn, corpus_job, new.scope or "")
        jobs.finish_enqueueing(conn, job_id)
        count = select(func.count()).where(origins.c.job_id == job_id)
        return removed, conn.execute(count).scalar_one()

    removed, documents = transact(engine, close)
    return Enqueued(
        job_id=job_id,
        documents=documents,
        new_documents=counter.new_documents,
        items=counter.items,
        refused=counter.refused,
        errors=tuple(counter.errors),
        changed=counter.changed,
        unchanged=counter.unchanged,
        removed=removed,
        continued=started.continued,
    )


def _writer(
    job_id: str, batch: InputBatch, tasks: Sequence[Task], chunker: Chunker
) -> Callable[[Connection], queue.EnqueueCounts]:
    def write(conn: Connection) -> queue.EnqueueCounts:
        counts = queue.enqueue_documents(conn, job_id, batch.documents, tasks, chunker)
        jobs.add_input_errors(conn, job_id, batch.refusals(counts))
        corpora.set_positions(conn, job_id, batch.positions)
        return counts

    return write


def transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    """`work` in a transaction, repeated while the database is unavailable."""

    def transaction() -> T:
        with engine.begin() as conn:
            return work(conn)

    outage = Outage(
        PATIENCE_S,
        longest_pause_s=LONGEST_PAUSE_S,
        hint="When it is back, the same command continues from here.",
    )
    return retry_during_outage(transaction, outage)
