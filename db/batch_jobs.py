"""The jobs whose requests wait for a batch, or are in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, or_, select

from ruie.db import job_states, provider_batches, provider_lines
from ruie.db import provider_requests as provider_requests_
from ruie.db.job_settings import JobSettings
from ruie.db.jobs import PausedBy
from ruie.db.models import jobs, provider_requests
from ruie.db.provider_batches import ProviderBatch
from ruie.db.request_states import WAITING
from ruie.db.spend import committed_nusd
from ruie.errors import DatabaseError
from ruie.modes import is_batch


def any_work(conn: Connection) -> bool:
    """Whether a request waits for a batch, or a batch is on its way."""
    return provider_requests_.any_waiting(conn) or bool(provider_batches.open_batches(conn))


def jobs_without_batches(conn: Connection) -> list[str]:
    """Those that ask in another mode by now, and have requests that wait for a batch."""
    waiting = select(provider_requests.c.job_id).where(provider_requests.c.state == WAITING)
    rows = conn.execute(select(jobs.c.id, jobs.c.settings).where(jobs.c.id.in_(waiting))).all()
    return [
        row.id
        for row in rows
        if not is_batch(JobSettings.from_body(row.settings).decoding.parameters)
    ]


def asks_in_batches(conn: Connection, scope: str) -> bool:
    """Whether any job of a scope (a job, or a corpus) still does."""
    settings = conn.scalars(select(jobs.c.settings).where(_of(scope))).all()
    return any(is_batch(JobSettings.from_body(each).decoding.parameters) for each in settings)


@dataclass(frozen=True, slots=True)
class Running:
    """A running job that asks in batches. cap_nusd: billionths of a USD; None: no cap."""

    id: str
    priority: int
    cap_nusd: int | None


def running_jobs(conn: Connection) -> list[Running]:
    """The running jobs that ask in batches."""
    columns = (jobs.c.id, jobs.c.priority, jobs.c.cap_nusd, jobs.c.settings)
    rows = conn.execute(select(*columns).where(jobs.c.state == "running")).all()
    return [
        Running(row.id, row.priority, row.cap_nusd)
        for row in rows
        if is_batch(JobSettings.from_body(row.settings).decoding.parameters)
    ]


def held_back(conn: Connection, batched: Sequence[Running], most_waiting: int) -> frozenset[str]:
    """Those of which nothing new is to be built for now, only answers are to be read: so many
    requests wait to be sent, or what is in batches has used up the job's cap, and will be refunded
    in part when it comes back."""
    if not batched:
        return frozenset()
    if provider_requests_.waiting(conn, most_waiting) >= most_waiting:
        return frozenset(job.id for job in batched)
    return frozenset(
        job.id
        for job in batched
        if job.cap_nusd is not None and _is_capped(conn, job.id, job.cap_nusd)
    )


def _is_capped(conn: Connection, job_id: str, cap_nusd: int) -> bool:
    reserved = conn.execute(
        select(func.coalesce(func.sum(provider_requests.c.reserved_nusd), 0)).where(
            provider_requests.c.job_id == job_id, provider_requests.c.reserved_nusd.is_not(None)
        )
    ).scalar_one()
    return bool(reserved) and committed_nusd(conn, job_id) >= _CAPPED * cap_nusd


_CAPPED = 0.98
"""Of its cap, with some of that in batches: no more is built."""


def falling_back(conn: Connection, scope: str) -> frozenset[str]:
    """Of the jobs of a scope (a job, or a corpus) those whose items are asked one by one when a
    batch has not answered them in time."""
    rows = conn.execute(select(jobs.c.id, jobs.c.settings).where(_of(scope))).all()
    return frozenset(row.id for row in rows if JobSettings.from_body(row.settings).falls_back)


def is_running(conn: Connection, scope: str) -> bool:
    """Whether any of them is."""
    running = select(jobs.c.id).where(_of(scope), jobs.c.state == "running")
    return conn.execute(running.limit(1)).first() is not None


def pause(conn: Connection, scope: str, reason: str, by: PausedBy = "error") -> None:
    """Pause those that run."""
    running = select(jobs.c.id).where(_of(scope), jobs.c.state == "running")
    for job_id in conn.scalars(running).all():
        job_states.set_job_state(conn, job_id, "paused", reason, by=by)


def _of(scope: str) -> ColumnElement[bool]:
    return or_(jobs.c.id == scope, jobs.c.corpus == scope)


def get_batch(conn: Connection, number: int) -> ProviderBatch:
    """A batch. Raises DatabaseError where there is none of this number."""
    found = provider_batches.find(conn, number)
    if found is None:
        raise DatabaseError(f"There is no batch {number}.", "`ruie batch list` lists them.")
    return found


def cancel_batch(conn: Connection, number: int) -> ProviderBatch:
    """Cancel a batch, and pause its jobs, so that the rest is not sent again at once. One that is
    carried as a file ends here. Raises DatabaseError where there is none, or where it has ended."""
    found = get_batch(conn, number)
    if not provider_batches.cancel(conn, number):
        raise DatabaseError(f"The batch {number} has ended ({found.state}).")
    pause(conn, found.scope, f"its batch {number} was cancelled", "person")
    if found.by_hand:
        while provider_lines.return_unanswered(conn, number):
            pass
        provider_batches.end_by_hand(conn, number)
    return get_batch(conn, number)
