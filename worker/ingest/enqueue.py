"""Sources into a job, batch by batch, each written whole with how far it was read.

So whatever ends it (Ctrl-C, a kill, a database that restarts), the same call again goes on from the
last batch: nothing twice, nothing missed.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, Engine, func, select

from ruie.chunking import Chunker
from ruie.db import corpora, jobs, queue
from ruie.db.corpora import Asking, Position
from ruie.db.engine import AWAY, one_line
from ruie.db.models import origins
from ruie.errors import UnavailableError
from ruie.records import Task
from ruie.worker.ingest.documents import KEPT_ERRORS, repeated
from ruie.worker.ingest.input_batches import Batch, Readable, batches, total_bytes

log = logging.getLogger("ruie.enqueueing")

PATIENCE_S = 600.0
"""How long a database may be away in the middle of an enqueueing."""
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
class Begun:
    """A job to fill. reached: sources that need not, or not from their beginning, be read."""

    job_id: str
    continued: bool
    reached: dict[str, Position]
    unchanged: int = 0
    """Documents in sources that need not be read at all."""


def begin(engine: Engine, new: jobs.NewJob, sources: Sequence[Readable]) -> Begun:
    """The job that an earlier call began and could not finish, or a new one.

    A source that changed meanwhile would leave half of the old and half of the new in one job: such
    a job is cancelled, and a new one takes its place. What was answered is not paid for twice.
    """

    def work(conn: Connection) -> Begun:
        found = corpora.open_job(conn, new.enqueue_key) if new.enqueue_key else None
        if found is not None:
            reached = corpora.positions(conn, found)
            other = _changed(sources, reached)
            if other is None:
                if new.cap_nusd is not None:
                    jobs.set_cap(conn, found, new.cap_nusd)
                return Begun(found, True, reached)
            why = f"{other} changed while it was being enqueued; another job took its place"
            jobs.set_job_state(conn, found, "cancelled", why)
        job_id = jobs.create_job(conn, new)
        if new.corpus is None or new.scope is None:
            return Begun(job_id, False, {})
        asking = Asking(job_id, new.corpus, new.question, new.forced)
        marks = [(source.name, source.fingerprint) for source in sources]
        same = corpora.unchanged_sources(conn, asking, new.scope, marks)
        corpora.set_positions(conn, job_id, same)
        counts = corpora.count_current(conn, new.corpus, new.scope) if same else {}
        return Begun(job_id, False, same, sum(counts.get(name, 0) for name in same))

    return patiently(engine, work)


def _changed(sources: Sequence[Readable], reached: dict[str, Position]) -> str | None:
    """A source that is not as it was when a part of it was read."""
    for source in sources:
        before = reached.get(source.name)
        if before and source.fingerprint and before.fingerprint != source.fingerprint:
            return source.name
    return None


def fill(
    engine: Engine,
    begun: Begun,
    new: jobs.NewJob,
    sources: Sequence[Readable],
    tasks: Sequence[Task],
    chunker: Chunker,
    progress: ProgressCallback,
) -> Enqueued:
    """Read what is still to be read into the job, and close it."""
    job_id = begun.job_id
    total: Counter[str] = Counter(unchanged=begun.unchanged)
    kept: list[jobs.NewInputError] = []
    size = total_bytes(sources)
    progress(EnqueueProgress(job_id, 0, 0, size))
    for batch in batches(sources, begun.reached):
        done, errors = patiently(engine, _writer(job_id, batch, tasks, chunker))
        total["read"] += len(batch.documents) - len(done.duplicates)
        total["new"] += done.new_documents
        total["items"] += done.new_items
        total["refused"] += len(errors)
        total["changed"] += done.changed
        total["unchanged"] += done.unchanged
        kept += errors[: max(0, KEPT_ERRORS - len(kept))]
        progress(EnqueueProgress(job_id, total["read"], batch.bytes_read, size))

    def close(conn: Connection) -> tuple[int, int]:
        asking = Asking(job_id, new.corpus, new.question, new.forced)
        removed = corpora.mark_removed(conn, asking, new.scope or "")
        jobs.finish_enqueueing(conn, job_id)
        counted = select(func.count()).where(origins.c.job_id == job_id)
        return removed, conn.execute(counted).scalar_one()

    removed, documents = patiently(engine, close)
    return Enqueued(
        job_id=job_id,
        documents=documents,
        new_documents=total["new"],
        items=total["items"],
        refused=total["refused"],
        errors=tuple(kept),
        changed=total["changed"],
        unchanged=total["unchanged"],
        removed=removed,
        continued=begun.continued,
    )


def _writer(
    job_id: str, batch: Batch, tasks: Sequence[Task], chunker: Chunker
) -> Callable[[Connection], tuple[queue.Enqueued, list[jobs.NewInputError]]]:
    def write(conn: Connection) -> tuple[queue.Enqueued, list[jobs.NewInputError]]:
        done = queue.enqueue_documents(conn, job_id, batch.documents, tasks, chunker)
        errors = batch.errors + [repeated(batch.documents[i]) for i in done.duplicates]
        jobs.add_input_errors(conn, job_id, errors)
        corpora.set_positions(conn, job_id, batch.reached)
        return done, errors

    return write


def patiently(engine: Engine, work: Callable[[Connection], T]) -> T:
    """`work` in a transaction; again, where the database went away in it. `work` must be safe to
    repeat: a commit whose answer was lost may have happened."""
    deadline = time.monotonic() + PATIENCE_S
    pause = 0.5
    while True:
        try:
            with engine.begin() as conn:
                return work(conn)
        except AWAY as error:
            if time.monotonic() + pause > deadline:
                raise UnavailableError(
                    f"The database has been away for {PATIENCE_S / 60:.0f} minutes "
                    f"({one_line(error)}).",
                    "The same command goes on from here when it is back.",
                ) from error
            log.warning("the database is away (%s); again in %g s", one_line(error), pause)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
