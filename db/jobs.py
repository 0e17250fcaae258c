"""Jobs: creating them and reading them. Their states are in db/job_states.py."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Literal

from sqlalchemy import Connection, Row, and_, insert, or_, select, update

from ruie.closest import listed
from ruie.db import demonstrations
from ruie.db.job_settings import JobSettings
from ruie.db.models import input_errors, jobs, schemas, work_items
from ruie.db.sql import insert_new
from ruie.db.types import utcnow
from ruie.errors import DatabaseError
from ruie.lengths import LONGEST_MODEL_BYTES, check_length
from ruie.records import Demonstration

JobState = Literal["running", "paused", "done", "cancelled", "failed"]
PausedBy = Literal["person", "error", "job_cap", "day_cap"]


class Priority(IntEnum):
    """A job's class: its share of a quota while other classes wait for it too."""

    BACKFILL = -1
    NORMAL = 0
    LIVE = 1


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to create.

    endpoint: the enqueuer's base URL. cap_nusd: the most it may cost, billionths of a US dollar.
    forced: call the LLM even where an answer is stored. corpus: see db/corpora.py. scope: a hash of
    the sources as they were named. enqueue_key: a hash of everything that the enqueueing was called
    with. demonstrations: of the file demonstrations_from; or demonstration_set, which is stored.
    refreshed: unchanged documents of the corpus are in it too. Raises `UsageError` where a name is
    too long.
    """

    name: str
    schema_name: str
    schema_body: Mapping[str, Any]
    schema_digest: str
    model: str
    endpoint: str
    prompt_version: str
    settings: JobSettings
    priority: int = 0
    cap_nusd: int | None = None
    forced: bool = False
    corpus: str | None = None
    scope: str | None = None
    enqueue_key: str | None = None
    demonstrations: Sequence[Demonstration] = ()
    demonstrations_from: str | None = None
    demonstration_set: int | None = None
    refreshed: bool = False

    def __post_init__(self) -> None:
        check_length("name of the job", self.name)
        check_length("name of the corpus", self.corpus)
        check_length("name of the model", self.model, LONGEST_MODEL_BYTES)

    @property
    def again(self) -> bool:
        """Whether unchanged documents of its corpus are in it too."""
        return self.forced or self.refreshed

    @property
    def question(self) -> str:
        """A hash of everything that shapes an answer, apart from the text: two jobs with the same
        question get the same answers."""
        return question_of(self)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is stored. bundle_digest: of the first worker that took a batch of it, "" until
    then. enqueued_at: None while documents are still being added. cap_nusd: the most it may spend,
    in billionths of a US dollar; None: no such limit."""

    id: str
    name: str
    state: JobState
    reason: str | None
    schema_name: str
    schema_body: dict[str, Any]
    schema_digest: str
    model: str
    endpoint: str
    bundle_digest: str
    prompt_version: str
    settings: JobSettings
    priority: int
    cap_nusd: int | None
    paused_by: str | None
    forced: bool
    corpus: str | None
    question: str | None
    scope: str | None
    enqueue_key: str | None
    created_at: datetime
    enqueued_at: datetime | None
    finished_at: datetime | None
    demonstration_set: int | None
    refreshed: bool


def question_of(job: NewJob | Job) -> str:
    """See `NewJob.question`. That of a stored job may be another: see db/job_changes.py."""
    parts = [job.schema_digest, job.model, job.prompt_version, job.settings.question()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class NewInputError:
    """A piece of input that was refused: where (file, line from 1) and why."""

    source: str | None
    line: int | None
    reason: str
    excerpt: str | None = None


LISTED = 5
"""Jobs that an error names."""
LISTED_CHARS = 30
"""Characters of their names."""
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # sorts as it counts; no i, l, o, u


def new_job_id() -> str:
    """ "job_" and 12 characters: 8 of the time in hundredths of a second, so that ids sort by age
    (roughly: it is this machine's clock), and 4 at random."""
    number = (int(time.time() * 100) << 20) | secrets.randbits(20)
    return "job_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(55, -1, -5))


def create_job(conn: Connection, job: NewJob) -> str:
    """Store a running job and its schema; returns the id. Close it with `finish_enqueueing`."""
    conn.execute(
        insert_new(conn, schemas),
        {"digest": job.schema_digest, "name": job.schema_name, "body": dict(job.schema_body)},
    )
    own = job.demonstration_set
    if job.demonstrations:
        own = demonstrations.store(conn, job.demonstrations, job.demonstrations_from)
    job_id = new_job_id()
    conn.execute(
        insert(jobs).values(
            id=job_id,
            name=job.name,
            state="running",
            schema_digest=job.schema_digest,
            model=job.model,
            endpoint=job.endpoint,
            prompt_version=job.prompt_version,
            settings=job.settings.body(),
            priority=job.priority,
            cap_nusd=job.cap_nusd,
            forced=job.forced,
            corpus=job.corpus,
            question=job.question,
            scope=job.scope,
            enqueue_key=job.enqueue_key,
            demonstration_set=own,
            refreshed=job.refreshed,
        )
    )
    return job_id


def record_bundle(conn: Connection, job_id: str, digest: str) -> None:
    """Record the bundle of a worker that took a batch of the job. The first one stays: if a later
    worker has another bundle, its extractions say so."""
    conn.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.bundle_digest == "")
        .values(bundle_digest=digest)
    )


def finish_enqueueing(conn: Connection, job_id: str) -> None:
    """All documents are in: from now on the job is done when no item is open."""
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(enqueued_at=utcnow()))


_JOB = select(jobs, schemas.c.name.label("schema_name"), schemas.c.body.label("schema_body")).join(
    schemas, schemas.c.digest == jobs.c.schema_digest
)


def get_job(conn: Connection, job_id: str) -> Job:
    """The job. Raises DatabaseError where there is none of this id."""
    row = conn.execute(_JOB.where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise no_such_job(conn, job_id)
    return _job(row)


def of_batch(conn: Connection, batch_id: str) -> Job | None:
    """The job of a batch. None where nothing of the batch is to be done any more."""
    # What a message names is pending (db/lease.py).
    waiting = select(work_items.c.job_id).where(work_items.c.batch == batch_id)
    one = waiting.limit(1).scalar_subquery()
    row = conn.execute(_JOB.where(jobs.c.id == one)).one_or_none()
    return _job(row) if row else None


def no_such_job(conn: Connection, job_id: str) -> DatabaseError:
    """The error of an id that no job has: it names the last jobs, or the one that was meant."""
    last = conn.execute(
        select(jobs.c.id, jobs.c.name, jobs.c.state)
        .order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
        .limit(LISTED)
    ).all()
    if not last:
        return DatabaseError(f"There is no job {job_id}.", "`ruie enqueue` makes one.")
    named = [f"{row.id} ({row.name[:LISTED_CHARS]}, {row.state})" for row in last]
    return DatabaseError(
        f"There is no job {job_id}.",
        f"The last {'ones are' if len(last) > 1 else 'one is'} {listed(named)};"
        " `ruie status` lists them all.",
    )


def list_jobs(
    conn: Connection,
    state: JobState | None = None,
    limit: int = 1000,
    before: Job | None = None,
) -> list[Job]:
    """Jobs, the newest first. before: only those that follow this one in the list."""
    query = _JOB.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(jobs.c.state == state)
    if before is not None:
        # the order's two columns, since two jobs may be made in one moment
        same = and_(jobs.c.created_at == before.created_at, jobs.c.id < before.id)
        query = query.where(or_(jobs.c.created_at < before.created_at, same))
    return [_job(row) for row in conn.execute(query)]


def _job(row: Row[Any]) -> Job:
    return Job(**{**row._mapping, "settings": JobSettings.from_body(row.settings)})


def add_input_errors(conn: Connection, job_id: str, errors: Sequence[NewInputError]) -> None:
    """Record pieces of input that were not enqueued; the same line of a file once."""
    if errors:
        conn.execute(
            insert_new(conn, input_errors),
            [
                {
                    "job_id": job_id,
                    "source": error.source,
                    "line": error.line,
                    "reason": error.reason,
                    "excerpt": error.excerpt,
                }
                for error in errors
            ],
        )
