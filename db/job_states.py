"""The states of jobs: running, paused, cancelled, failed, done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, exists, func, select, update

from ruie.db.cancelling import cancel_waiting
from ruie.db.item_states import NOT_SENT, OPEN, has_any
from ruie.db.jobs import Job, JobState, PausedBy, get_job
from ruie.db.models import JOB_STATES, jobs, work_items
from ruie.db.sql import changed
from ruie.db.types import utcnow
from ruie.errors import DatabaseError


def get_job_states(conn: Connection, job_ids: Sequence[str]) -> dict[str, JobState]:
    """The jobs' states, by id."""
    rows = conn.execute(select(jobs.c.id, jobs.c.state).where(jobs.c.id.in_(job_ids)))
    return {row[0]: row[1] for row in rows}


@dataclass(frozen=True, slots=True)
class JobStanding:
    """A job's state, and why and by whom it is paused."""

    state: JobState
    reason: str | None
    paused_by: PausedBy | None


def get_job_standings(conn: Connection, job_ids: Sequence[str]) -> dict[str, JobStanding]:
    """The jobs' standings, by id, in the order of `job_ids`. Raises DatabaseError where there is no
    such job."""
    query = select(jobs.c.id, jobs.c.state, jobs.c.reason, jobs.c.paused_by)
    found = {
        row[0]: JobStanding(*row[1:]) for row in conn.execute(query.where(jobs.c.id.in_(job_ids)))
    }
    for job_id in job_ids:
        if job_id not in found:
            get_job(conn, job_id)
    return {job_id: found[job_id] for job_id in job_ids}


# From which states a job may enter each one. A cancelled job keeps its results and ends there; a
# failed one may be resumed once its cause is fixed.
_FROM: dict[JobState, tuple[JobState, ...]] = {
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
    """Pause, resume, cancel or fail a job; cancelling also cancels the items that no worker holds.
    by: who pauses it.

    Raises DatabaseError where there is no such job, or where its state does not allow it.
    """
    if state not in JOB_STATES:
        raise ValueError(f"no such state: {state}")
    ends = state in ("cancelled", "failed", "done")
    matched = changed(
        conn,
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.in_(_FROM[state]))
        .values(
            state=state,
            reason=reason,
            paused_by=by if state == "paused" else None,
            finished_at=utcnow() if ends else None,
        ),
    )
    if not matched:
        job = get_job(conn, job_id)
        hint = "`ruie status` shows the jobs' states."
        if (job.state, state) == ("done", "running"):
            hint = f"`ruie retry {job_id}` tries what was given up again."
        raise DatabaseError(f"The job {job_id} is {job.state} and cannot become {state}.", hint)
    if state == "cancelled":
        cancel_waiting(conn, work_items.c.job_id == job_id)
    elif state == "running":
        # messages that came while it was paused were taken for nothing: all are sent again
        sent = update(work_items).where(work_items.c.job_id == job_id)
        conn.execute(sent.where(work_items.c.batch.is_not(None)).values(**NOT_SENT))


def set_cap(conn: Connection, job_id: str, cap_nusd: int | None) -> Job:
    """Set the most a job may cost, in billionths of a US dollar (None: no cap). A job that stopped
    at its cap resumes if the new one is higher. Raises DatabaseError if there is no such job."""
    old = get_job(conn, job_id)
    conn.execute(update(jobs).where(jobs.c.id == job_id).values(cap_nusd=cap_nusd))
    higher = cap_nusd is None or (old.cap_nusd is not None and cap_nusd > old.cap_nusd)
    if old.state == "paused" and old.paused_by == "job_cap" and higher:
        set_job_state(conn, job_id, "running")
    return get_job(conn, job_id)


# One condition for each state, which has a small index of its own.
_CLOSABLE = (
    jobs.c.state == "running",
    jobs.c.enqueued_at.is_not(None),
    *(~has_any(state) for state in OPEN),
)


def close_jobs(conn: Connection) -> list[str]:
    """Close the running jobs that have all their documents and no open item; returns their ids."""
    return list(
        conn.scalars(
            update(jobs)
            .where(*_CLOSABLE)
            .values(state="done", finished_at=utcnow())
            .returning(jobs.c.id)
        )
    )


class WaitingJobs(NamedTuple):
    """enqueued_at: when the last of the running jobs got the last of its documents. closable:
    whether `close_jobs` would close one."""

    enqueued_at: datetime | None
    closable: bool


_WAITING = select(
    select(func.max(jobs.c.enqueued_at)).where(jobs.c.state == "running").scalar_subquery(),
    exists().where(*_CLOSABLE),
)


def waiting_jobs(conn: Connection) -> WaitingJobs:
    """Which of the running jobs a coordinator has something to do for."""
    enqueued_at, closable = conn.execute(_WAITING).one()
    return WaitingJobs(enqueued_at, bool(closable))
