"""Runs of schedules: claimed under a lease, retried after a failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, insert, or_, select, update

from ruie.db.item_states import QUARANTINED
from ruie.db.models import jobs, schedule_runs, schedules, work_items
from ruie.db.schedules import Schedule, get
from ruie.db.sql import changed, pieces
from ruie.db.types import utcnow

PAUSE_S = 60.0
"""Before the first retry; each further pause is twice as long, up to an hour."""


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """A run as it is stored. counts: of documents, when it is done. job_state: of its job, of which
    so many items were given up (job_quarantined)."""

    id: int
    due_at: datetime
    state: str
    attempts: int
    not_before: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    job_id: str | None
    job_state: str | None
    job_quarantined: int
    counts: dict[str, int] | None
    error: str | None


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A run that `owner` has claimed."""

    id: int
    schedule: Schedule
    due_at: datetime
    attempts: int
    owner: str


_RUN = [schedule_runs.c[name] for name in ScheduleRun.__slots__ if not name.startswith("job_")]
_QUARANTINED = (
    select(func.count())
    .where(work_items.c.job_id == schedule_runs.c.job_id, work_items.c.state == QUARANTINED)
    .scalar_subquery()
)
_RUNS = select(
    *_RUN,
    schedule_runs.c.job_id,
    jobs.c.state.label("job_state"),
    _QUARANTINED.label("job_quarantined"),
).outerjoin(jobs, jobs.c.id == schedule_runs.c.job_id)


def list_runs(conn: Connection, schedule_id: int, limit: int = 20) -> list[ScheduleRun]:
    """Runs of a schedule, the newest first."""
    query = (
        _RUNS.where(schedule_runs.c.schedule_id == schedule_id)
        .order_by(schedule_runs.c.due_at.desc())
        .limit(limit)
    )
    return [ScheduleRun(**row._mapping) for row in conn.execute(query)]


def last_runs(conn: Connection, ids: Sequence[int]) -> dict[int, ScheduleRun]:
    """The newest run of each of these schedules that has one, by the schedule's id."""
    later = schedule_runs.alias("later")
    newest = _RUNS.add_columns(schedule_runs.c.schedule_id).where(
        schedule_runs.c.schedule_id.in_(bindparam("ids", expanding=True)),
        ~exists().where(
            later.c.schedule_id == schedule_runs.c.schedule_id,
            later.c.due_at > schedule_runs.c.due_at,
        ),
    )
    runs: dict[int, ScheduleRun] = {}
    for part in pieces(ids):
        for row in conn.execute(newest, {"ids": list(part)}).mappings():
            values = dict(row)
            schedule_id = values.pop("schedule_id")
            runs[schedule_id] = ScheduleRun(**values)
    return runs


def run_now(conn: Connection, name: str) -> ScheduleRun:
    """Add a run that is due now, enabled or not; the coordinator claims it."""
    schedule = get(conn, name)
    conn.execute(insert(schedule_runs).values(schedule_id=schedule.id, due_at=utcnow()))
    return list_runs(conn, schedule.id, 1)[0]


def claim(conn: Connection, owner: str, ttl_s: float, room: int) -> list[ClaimedRun]:
    """Claim runs to start now, at most `room`, including those whose lease ran out. A run that
    overlaps an earlier one is skipped, or waits, according to its schedule; of several that wait,
    the last replaces the others. To be called in the leader's transaction."""
    conn.execute(
        update(schedule_runs)
        .where(schedule_runs.c.state == "running", schedule_runs.c.lease_expires < utcnow())
        .values(state="due", lease_owner=None, lease_expires=None)
    )
    ready = (
        select(schedule_runs)
        .where(
            schedule_runs.c.state == "due",
            or_(schedule_runs.c.not_before.is_(None), schedule_runs.c.not_before <= utcnow()),
        )
        .order_by(schedule_runs.c.due_at)
    )
    claimed: list[ClaimedRun] = []
    for row in conn.execute(ready).all():
        if len(claimed) == room:
            break
        one = conn.execute(select(schedules).where(schedules.c.id == row.schedule_id)).one()
        schedule = Schedule(**one._mapping)
        # A run that has started is never skipped for a later one: its job waits for the rest.
        if not row.attempts and (reason := _overlap(conn, row, schedule)):
            if reason != "wait":
                _skip(conn, row.id, reason)
            continue
        conn.execute(
            update(schedule_runs)
            .where(schedule_runs.c.id == row.id)
            .values(
                state="running",
                attempts=schedule_runs.c.attempts + 1,
                started_at=row.started_at or utcnow(),
                not_before=None,
                lease_owner=owner,
                lease_expires=utcnow(ttl_s),
            )
        )
        claimed.append(ClaimedRun(row.id, schedule, row.due_at, row.attempts + 1, owner))
    return claimed


def _overlap(conn: Connection, row: Any, schedule: Schedule) -> str | None:
    """Why a run cannot start: a reason to skip it, "wait", or None."""
    others = (
        select(schedule_runs.c.state, schedule_runs.c.job_id, schedule_runs.c.due_at,
               schedule_runs.c.attempts, jobs.c.state.label("job_state"))
        .outerjoin(jobs, jobs.c.id == schedule_runs.c.job_id)
        .where(schedule_runs.c.schedule_id == schedule.id, schedule_runs.c.id != row.id)
        .where(
            or_(
                schedule_runs.c.state.in_(("due", "running")),
                jobs.c.state.in_(("running", "paused")) & (schedule_runs.c.state == "done"),
            )
        )
    )  # fmt: skip  # the columns
    busy = None
    for other in conn.execute(others).all():
        if other.state == "due" and not other.attempts:
            if other.due_at > row.due_at:
                return "a later run replaces it"
        else:
            busy = other
    if busy is None:
        return None
    if schedule.overlap == "queue":
        return "wait"
    what = f"job {busy.job_id} is {busy.job_state}" if busy.job_id else "it is still reading"
    return f"overlaps the run before it: {what}"


def _skip(conn: Connection, run_id: int, reason: str) -> None:
    conn.execute(
        update(schedule_runs)
        .where(schedule_runs.c.id == run_id)
        .values(state="skipped", error=reason, finished_at=utcnow())
    )


def heartbeat(conn: Connection, run: ClaimedRun, ttl_s: float) -> bool:
    """Renew the lease of a run. False: another process has it, or it was removed."""
    return bool(_of(conn, run, lease_expires=utcnow(ttl_s)))


def finish(conn: Connection, run: ClaimedRun, job_id: str, counts: Mapping[str, int]) -> bool:
    """The run is done: everything is enqueued. False: another process had it."""
    return _of(
        conn, run, state="done", job_id=job_id, counts=dict(counts), error=None,
        finished_at=utcnow(), lease_owner=None, lease_expires=None,
    )  # fmt: skip  # a row


def fail(conn: Connection, run: ClaimedRun, error: str) -> bool:
    """Retry a failed run after a pause, or end it. Returns whether it is retried."""
    again = run.attempts <= run.schedule.retries
    pause = min(3600.0, PAUSE_S * 2 ** (run.attempts - 1))
    _of(
        conn, run, state="due" if again else "failed", error=error,
        not_before=utcnow(pause) if again else None,
        finished_at=None if again else utcnow(), lease_owner=None, lease_expires=None,
    )  # fmt: skip  # a row
    return again


def release(conn: Connection, run: ClaimedRun) -> None:
    """Let another process take the run at once, without using up an attempt."""
    _of(
        conn, run, state="due", attempts=schedule_runs.c.attempts - 1, lease_owner=None,
        lease_expires=None,
    )  # fmt: skip  # a row


def _of(conn: Connection, run: ClaimedRun, **values: Any) -> bool:
    mine = (
        schedule_runs.c.id == run.id,
        schedule_runs.c.state == "running",
        schedule_runs.c.lease_owner == run.owner,
        schedule_runs.c.attempts == run.attempts,
    )
    return bool(changed(conn, update(schedule_runs).where(*mine).values(**values)))
