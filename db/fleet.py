"""What the fleet does at this moment, for metrics: few and small queries, whatever the size of the
database. Counting all items of the open jobs takes longer: db/item_counts.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, func, select

from ruie.db.item_states import LEASED, PENDING
from ruie.db.job_settings import JobSettings
from ruie.db.leadership import COORDINATOR
from ruie.db.models import (
    endpoints,
    extractions,
    jobs,
    leadership,
    schedule_runs,
    schedules,
    spend_accounts,
    spend_refunds,
    work_items,
)
from ruie.db.types import utcnow
from ruie.db.usage_columns import FROM_MODEL, made_alone
from ruie.modes import is_batch

OPEN = ("running", "paused")
"""The states of a job that is not over."""
RECENT_ROWS = 1000
"""Of the newest extractions, so many show how long calls take now."""


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job that runs or is paused. Amounts in billionths of a US dollar; committed: spent and
    reserved for calls in flight. cap_nusd: None where there is none. batched: its requests are sent
    in batches."""

    id: str
    state: str
    paused_by: str | None
    priority: int
    model: str
    cap_nusd: int | None
    committed_nusd: int
    batched: bool = False


@dataclass(frozen=True, slots=True)
class EndpointState:
    """An endpoint to which calls have failed. away_s: seconds since no call reaches it; None: calls
    do. trying: a probe succeeded. outages: how often it was away so far."""

    url: str
    away_s: float | None
    trying: bool
    outages: int


@dataclass(frozen=True, slots=True)
class RecentCalls:
    """The latest calls that were answered one by one, of one endpoint and model; means of them."""

    endpoint: str
    model: str
    calls: int
    latency_s: float
    input_tokens: float
    output_tokens: float


@dataclass(frozen=True, slots=True)
class Ready:
    """Items of one model that workers have or could have now: of running jobs, as many as the
    window lets out. batched: their requests are sent in batches, or were answered in one."""

    model: str
    items: int
    batched: bool = False


@dataclass(frozen=True, slots=True)
class Working:
    """processes: of workers that hold items; held: these items; sent: items that were sent to
    workers and that none has taken."""

    processes: int
    held: int
    sent: int


def repeatable(conn: Connection) -> None:
    """All that is read in this transaction is of one moment. Before its first statement."""
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


_LEADS = select(utcnow()).where(
    leadership.c.role == COORDINATOR,
    leadership.c.holder == bindparam("holder"),
    leadership.c.token == bindparam("token"),
    leadership.c.expires >= utcnow(),
)


def leads(conn: Connection, holder: str, token: int) -> datetime | None:
    """The time, by the database's clock, where this coordinator leads; without a lock."""
    now: datetime | None = conn.execute(_LEADS, {"holder": holder, "token": token}).scalar()
    return now


_BY_STATE = select(jobs.c.state, func.count()).group_by(jobs.c.state)
_OPEN_JOBS = (
    select(
        jobs.c.id,
        jobs.c.state,
        jobs.c.paused_by,
        jobs.c.priority,
        jobs.c.model,
        jobs.c.cap_nusd,
        jobs.c.settings,
    )
    .where(jobs.c.state.in_(OPEN))
    .order_by(jobs.c.priority.desc(), jobs.c.created_at, jobs.c.id)
)


def jobs_by_state(conn: Connection) -> dict[str, int]:
    """How many jobs are in each state."""
    return {row.state: row[1] for row in conn.execute(_BY_STATE)}


def open_jobs(conn: Connection, day: str) -> tuple[list[OpenJob], int]:
    """Those in the order in which they are dispatched, and what is spent and reserved on a day
    (`2026-01-31`, UTC), in billionths of a US dollar."""
    rows = conn.execute(_OPEN_JOBS).all()
    committed = committed_by_account(conn, [day, *(row.id for row in rows)])
    found = [
        OpenJob(
            *row[:-1],
            committed.get(row.id, 0),
            is_batch(JobSettings.from_body(row.settings).decoding.parameters),
        )
        for row in rows
    ]
    return found, committed.get(day, 0)


def committed_by_account(conn: Connection, accounts: Sequence[str]) -> dict[str, int]:
    """What jobs (their ids) or days have spent and reserved; see `ruie.db.spend`."""
    account, refund = spend_accounts.c.account, spend_refunds.c.account
    committed = {
        row.account: int(row.committed_nusd)
        for row in conn.execute(select(spend_accounts).where(account.in_(accounts)))
    }
    refunds = (
        select(refund, func.sum(spend_refunds.c.nusd)).where(refund.in_(accounts)).group_by(refund)
    )
    for name, nusd in conn.execute(refunds):
        committed[name] = committed.get(name, 0) - int(nusd)
    return committed


_LEASED = and_(work_items.c.state == LEASED, work_items.c.lease_expires > utcnow())
_SENT = and_(work_items.c.batch.is_not(None), work_items.c.dispatched_until > utcnow())
_WORKING = select(
    select(func.count(work_items.c.lease_owner.distinct())).where(_LEASED).scalar_subquery(),
    select(func.count()).select_from(work_items).where(_LEASED).scalar_subquery(),
    select(func.count()).select_from(work_items).where(_SENT).scalar_subquery(),
)


def working(conn: Connection) -> Working:
    """What workers do; see `ruie.db.activity.alive`."""
    return Working(*conn.execute(_WORKING).one())


_ENDPOINTS = select(
    endpoints.c.url, endpoints.c.away_since, endpoints.c.trying, endpoints.c.outages
).order_by(endpoints.c.url)


def endpoint_states(conn: Connection, now: datetime) -> list[EndpointState]:
    """Of every endpoint to which a call has ever failed."""
    return [
        EndpointState(row.url, _seconds(row.away_since, now), row.trying, row.outages)
        for row in conn.execute(_ENDPOINTS)
    ]


_WAITING = (
    select(func.min(schedule_runs.c.due_at))
    .where(schedule_runs.c.schedule_id == schedules.c.id, schedule_runs.c.state == "due")
    .scalar_subquery()
)
_DUE = select(schedules.c.name, schedules.c.next_due_at, _WAITING.label("waiting")).where(
    schedules.c.enabled
)


def schedule_lags(conn: Connection, now: datetime) -> dict[str, float]:
    """For each schedule that is enabled, seconds since the oldest time that was due and has not
    been begun; 0: none."""
    return {
        row.name: max(_seconds(at, now) or 0.0 for at in (row.next_due_at, row.waiting))
        for row in conn.execute(_DUE)
    }


_TARGET = (extractions.c.endpoint, extractions.c.model)
_RECENT = (
    select(
        *_TARGET,
        func.count(),
        func.avg(extractions.c.latency_s),
        func.avg(extractions.c.prompt_tokens),
        func.avg(extractions.c.completion_tokens),
    )
    .where(
        extractions.c.id
        > func.coalesce(select(func.max(extractions.c.id)).scalar_subquery(), 0) - RECENT_ROWS,
        extractions.c.reused_from.is_(None),
        FROM_MODEL,
        made_alone(extractions),
    )
    .group_by(*_TARGET)
    .order_by(*_TARGET)
)


def recent_calls(conn: Connection) -> list[RecentCalls]:
    """Of the newest extractions."""
    return [
        RecentCalls(endpoint, model, calls, float(latency), float(prompt), float(completion))
        for endpoint, model, calls, latency, prompt, completion in conn.execute(_RECENT)
    ]


def ready(conn: Connection, open_: Sequence[OpenJob], window: int) -> list[Ready]:
    """What could be worked on now, by the jobs' models. window: items that each class of jobs may
    have out at a time."""
    found: dict[tuple[str, bool], int] = {}
    left: dict[int, int] = {}
    for job in open_:
        room = left.setdefault(job.priority, window)
        if job.state != "running" or not room:
            continue
        held = 0
        for state in (LEASED, PENDING):  # each has a small index of its own
            some = select(work_items.c.id).where(
                work_items.c.job_id == job.id, work_items.c.state == state
            )
            counted = select(func.count()).select_from(some.limit(room - held).subquery())
            held += conn.execute(counted).scalar_one()
            if held == room:
                break
        left[job.priority] = room - held
        if held:
            key = (job.model, job.batched)
            found[key] = found.get(key, 0) + held
    return [Ready(model, items, batched) for (model, batched), items in sorted(found.items())]


def _seconds(since: datetime | None, now: datetime) -> float | None:
    return None if since is None else max(0.0, (now - since).total_seconds())
