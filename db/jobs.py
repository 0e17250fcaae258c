"""Jobs: made, looked up, paused, resumed, cancelled, and how far they are."""

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

from sqlalchemy import Connection, delete, insert, select, update

from ruie.db.item_states import PENDING, QUARANTINED, cancel_waiting
from ruie.db.models import JOB_STATES, input_errors, jobs, quarantine, schemas, work_items
from ruie.db.progress import JobProgress, TaskProgress, progress
from ruie.db.sql import changed, insert_new, pieces
from ruie.db.types import utcnow
from ruie.errors import DatabaseError

__all__ = [
    "Job",
    "JobProgress",
    "JobState",
    "NewInputError",
    "NewJob",
    "PausedBy",
    "Priority",
    "TaskProgress",
    "add_input_errors",
    "create_job",
    "finish_enqueueing",
    "get_job",
    "job_states",
    "list_jobs",
    "new_job_id",
    "progress",
    "record_bundle",
    "retry_quarantined",
    "schema_digest",
    "set_cap",
    "set_job_state",
]

JobState = Literal["running", "paused", "done", "cancelled", "failed"]
PausedBy = Literal["person", "error", "job_cap", "day_cap"]


class Priority(IntEnum):
    """A job's class: its share of a quota while others wait for it too."""

    BACKFILL = -1
    NORMAL = 0
    LIVE = 1


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as it is asked for. endpoint: the enqueuer's base URL. settings: decoding (k,
    max_tokens, output form, ...) as JSON. priority: see `Priority`. cap_nusd: the most it may cost,
    billionths of a US dollar. forced: ask again what was answered before. corpus: see
    db/corpora.py; scope: a hash of the sources as they were named; enqueue_key: one of all that was
    asked for."""

    name: str
    schema_name: str
    schema_body: Mapping[str, Any]
    schema_digest: str
    model: str
    endpoint: str
    prompt_version: str
    settings: Mapping[str, Any]
    priority: int = 0
    cap_nusd: int | None = None
    forced: bool = False
    corpus: str | None = None
    scope: str | None = None
    enqueue_key: str | None = None

    @property
    def question(self) -> str:
        """A hash of how it asks: two jobs of one question would be given the same answers."""
        asked = [self.schema_digest, self.model, self.prompt_version, dict(self.settings)]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


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
    settings: dict[str, Any]
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


@dataclass(frozen=True, slots=True)
class NewInputError:
    """A piece of input that was refused: where (file, line from 1) and why."""

    source: str | None
    line: int | None
    reason: str
    excerpt: str | None = None


_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # sorts as it counts; no i, l, o, u


def new_job_id() -> str:
    """ "job_" and 12 characters: 8 of the time in hundredths of a second, so that ids sort by age
    (roughly: it is this machine's clock), and 4 at random."""
    number = (int(time.time() * 100) << 20) | secrets.randbits(20)
    return "job_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(55, -1, -5))


def schema_digest(body: Mapping[str, Any]) -> str:
    """The hash of a schema's content, hex; the order of its keys counts, as it does in prompts."""
    return hashlib.sha256(json.dumps(body, ensure_ascii=True).encode()).hexdigest()


def create_job(conn: Connection, job: NewJob) -> str:
    """Store a running job and its schema; gives the id. `finish_enqueueing` says it is complete."""
    conn.execute(
        insert_new(conn, schemas),
        {"digest": job.schema_digest, "name": job.schema_name, "body": dict(job.schema_body)},
    )
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
            settings=dict(job.settings),
            priority=job.priority,
            cap_nusd=job.cap_nusd,
            forced=job.forced,
            corpus=job.corpus,
            question=job.question,
            scope=job.scope,
            enqueue_key=job.enqueue_key,
        )
    )
    return job_id


def record_bundle(conn: Connection, job_id: str, digest: str) -> None:
    """A worker with this bundle took a batch of the job. The first one's stays: where another
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
        raise DatabaseError(f"There is no job {job_id}.", "`ruie status` lists the jobs.")
    return Job(**row._mapping)


def list_jobs(conn: Connection, state: JobState | None = None, limit: int = 1000) -> list[Job]:
    """Jobs, the newest first."""
    query = _JOB.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(jobs.c.state == state)
    return [Job(**row._mapping) for row in conn.execute(query)]


def job_states(conn: Connection, job_ids: Sequence[str]) -> dict[str, JobState]:
    """The jobs' states; what a worker asks before each call."""
    rows = conn.execute(select(jobs.c.id, jobs.c.state).where(jobs.c.id.in_(job_ids)))
    return {row[0]: row[1] for row in rows}


# What may follow what: a cancelled or failed job keeps what it has and takes nothing up again,
# but a failed one may be resumed once its cause is mended.
_FOLLOWS: dict[JobState, tuple[JobState, ...]] = {
    "running": ("paused", "failed", "running"),
    "paused": ("running", "paused"),
    "cancelled": ("running", "paused", "failed", "cancelled"),
    "failed": ("running", "paused", "failed"),
    "done": ("running", "done"),
}


def set_job_state(
    conn: Connection,
    job_id: str,
    state: JobState,
    reason: str | None = None,
    *,
    by: PausedBy = "person",
) -> None:
    """Pause, resume, cancel or fail a job; cancelling also cancels what is not in a worker's hands.
    by: who pauses.

    Raises DatabaseError where there is no such job, or where its state does not allow it.
    """
    if state not in JOB_STATES:
        raise ValueError(f"no such state: {state}")
    ends = state in ("cancelled", "failed", "done")
    met = changed(
        conn,
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.in_(_FOLLOWS[state]))
        .values(
            state=state,
            reason=reason,
            paused_by=by if state == "paused" else None,
            finished_at=utcnow() if ends else None,
        ),
    )
    if not met:
        job = get_job(conn, job_id)
        raise DatabaseError(
            f"The job {job_id} is {job.state} and cannot become {state}.",
            "`ruie status` shows the jobs' states.",
        )
    if state == "cancelled":
        cancel_waiting(conn, work_items.c.job_id == job_id)


def retry_quarantined(
    conn: Connection, job_id: str, error_class: str | None = None, model: str | None = None
) -> int:
    """Quarantined items, all or of one error class, become pending as if new; a job that was done
    runs again. Gives how many items.

    model: ask this one instead, now and whenever these items are tried again; None: as before.
    The history of failed calls stays. Raises DatabaseError where there is no such job, or it is
    cancelled.
    """
    # locked, so that nobody cancels the job meanwhile and leaves pending items behind
    state = conn.execute(select(jobs.c.state).where(jobs.c.id == job_id).with_for_update()).scalar()
    if state in (None, "cancelled"):
        get_job(conn, job_id)
        raise DatabaseError(
            f"The job {job_id} is cancelled: nothing of it is asked again.",
            "Enqueue the documents again; what was answered is not paid for twice.",
        )
    chosen = [work_items.c.job_id == job_id, work_items.c.state == QUARANTINED]
    if error_class is not None:
        chosen.append(work_items.c.error_class == error_class)
    anew: dict[str, Any] = dict.fromkeys(("max_tokens", "demonstrations", "error", "error_class"))
    if model is not None:
        anew["model"] = model
    again = conn.scalars(
        update(work_items)
        .where(*chosen)
        .values(state=PENDING, attempts=0, losses=0, updated_at=utcnow(), **anew)
        .returning(work_items.c.id)
    ).all()
    for part in pieces(again):
        conn.execute(delete(quarantine).where(quarantine.c.work_item_id.in_(part)))
    if again and state == "done":
        conn.execute(
            update(jobs).where(jobs.c.id == job_id).values(state="running", finished_at=None)
        )
    return len(again)


def set_cap(conn: Connection, job_id: str, cap_nusd: int | None) -> Job:
    """The most a job may cost, in billionths of a US dollar (None: anything). A job that stopped
    at its cap runs again if the new one is higher. Raises DatabaseError where there is no such
    job."""
    old = get_job(conn, job_id)
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(cap_nusd=cap_nusd))
    higher = cap_nusd is None or (old.cap_nusd is not None and cap_nusd > old.cap_nusd)
    if old.state == "paused" and old.paused_by == "job_cap" and higher:
        set_job_state(conn, job_id, "running")
    return get_job(conn, job_id)


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
