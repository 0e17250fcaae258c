"""Schedules and their runs in SQL: fired once, leased, tried again, reported.

Times are the database's. When an expression is due is given by the caller (worker/cron.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, insert, or_, select, update

from ruie.db.models import jobs, schedule_runs, schedules
from ruie.db.sql import changed, insert_new, pieces
from ruie.db.types import utcnow
from ruie.errors import UsageError

LATE_S = 120.0
"""A due time that is older when it is seen was missed: no coordinator ran."""
PAUSE_S = 60.0
"""Before the first retry; each further pause is twice as long, up to an hour."""

NextDue = Callable[[str, str, datetime], datetime]
LatestDue = Callable[[str, str, datetime, datetime], datetime]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as it is stored. spec: sources, schema and options. next_due_at: None while it is
    disabled."""

    id: int
    name: str
    cron: str
    timezone: str
    spec: dict[str, Any]
    enabled: bool
    missed: str
    overlap: str
    retries: int
    next_due_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """One run. counts: of documents, when it is done. job_state: of its job."""

    id: int
    due_at: datetime
    state: str
    attempts: int
    not_before: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    job_id: str | None
    job_state: str | None
    counts: dict[str, int] | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run that `owner` is to do."""

    id: int
    schedule: Schedule
    due_at: datetime
    attempts: int
    owner: str


def clock(conn: Connection) -> datetime:
    """The database's time."""
    now: datetime = conn.execute(select(utcnow())).scalar_one()
    return now


def add(
    conn: Connection,
    name: str,
    cron: str,
    timezone: str,
    spec: Mapping[str, Any],
    next_due_at: datetime,
    *,
    missed: str,
    overlap: str,
    retries: int,
) -> Schedule:
    """Store a schedule. Raises `UsageError` where the name is taken."""
    values = {
        "name": name,
        "cron": cron,
        "timezone": timezone,
        "spec": dict(spec),
        "enabled": True,
        "missed": missed,
        "overlap": overlap,
        "retries": retries,
        "next_due_at": next_due_at,
    }
    made = insert_new(conn, schedules).values(values).returning(schedules.c.id)
    if conn.execute(made).first() is None:
        raise UsageError(
            f"There is a schedule {name} already.",
            f"Choose another name, or remove it with `ruie schedule remove {name}`.",
        )
    return get(conn, name)


def get(conn: Connection, name: str) -> Schedule:
    """The schedule. Raises `UsageError` where there is none of this name."""
    row = conn.execute(select(schedules).where(schedules.c.name == name)).one_or_none()
    if row is None:
        raise UsageError(f"There is no schedule {name}.", "`ruie schedule list` names them.")
    return Schedule(**row._mapping)


def listed(conn: Connection) -> list[Schedule]:
    """All schedules by name."""
    return [Schedule(**r._mapping) for r in conn.execute(select(schedules).order_by("name"))]


_RUN = [schedule_runs.c[name] for name in ScheduleRun.__slots__ if name != "job_state"]
_RUNS = select(*_RUN, jobs.c.state.label("job_state")).outerjoin(
    jobs, jobs.c.id == schedule_runs.c.job_id
)


def runs(conn: Connection, schedule_id: int, limit: int = 20) -> list[ScheduleRun]:
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
    found: dict[int, ScheduleRun] = {}
    for part in pieces(ids):
        for row in conn.execute(newest, {"ids": list(part)}).mappings():
            values = dict(row)
            schedule_id = values.pop("schedule_id")
            found[schedule_id] = ScheduleRun(**values)
    return found


def remove(conn: Connection, name: str) -> None:
    """Forget a schedule and its runs; their jobs stay. A run at work stops at its heartbeat."""
    schedule = get(conn, name)
    conn.execute(delete(schedule_runs).where(schedule_runs.c.schedule_id == schedule.id))
    conn.execute(delete(schedules).where(schedules.c.id == schedule.id))


def enable(conn: Connection, name: str, next_due_at: datetime | None) -> None:
    """Let it fire from `next_due_at` on; None: no more until it is enabled again."""
    get(conn, name)
    conn.execute(
        update(schedules)
        .where(schedules.c.name == name)
        .values(enabled=next_due_at is not None, next_due_at=next_due_at)
    )


def run_now(conn: Connection, name: str) -> ScheduleRun:
    """A run that is due now, enabled or not; the coordinator does it."""
    schedule = get(conn, name)
    conn.execute(insert(schedule_runs).values(schedule_id=schedule.id, due_at=utcnow()))
    return runs(conn, schedule.id, 1)[0]


def fire(conn: Connection, next_due: NextDue, latest_due: LatestDue) -> list[str]:
    """Make a run for each schedule whose time has come, one for all the times that were missed;
    gives the schedules' names. To be called in the leader's transaction."""
    due = select(schedules).where(schedules.c.next_due_at <= utcnow()).with_for_update()
    fired = []
    for row in conn.execute(due).all():
        schedule = Schedule(**row._mapping)
        now = clock(conn)
        assert schedule.next_due_at is not None
        zone = (schedule.cron, schedule.timezone)
        try:
            due_at, after = latest_due(*zone, schedule.next_due_at, now), next_due(*zone, now)
        except UsageError as error:  # this host does not know the zone: others must still fire
            _insert(conn, schedule.id, schedule.next_due_at, "failed", str(error))
            enable(conn, schedule.name, None)
            continue
        late = (now - due_at).total_seconds() > LATE_S
        if late and schedule.missed == "skip":
            _insert(conn, schedule.id, due_at, "skipped", "missed: no coordinator ran")
        else:
            _insert(conn, schedule.id, due_at, "due", None)
        conn.execute(
            update(schedules).where(schedules.c.id == schedule.id).values(next_due_at=after)
        )
        fired.append(schedule.name)
    return fired


def _insert(
    conn: Connection, schedule_id: int, due_at: datetime, state: str, error: str | None
) -> None:
    row = {"schedule_id": schedule_id, "due_at": due_at, "state": state, "error": error}
    conn.execute(insert_new(conn, schedule_runs), row)


def claim(conn: Connection, owner: str, ttl_s: float, room: int) -> list[Claimed]:
    """Runs to begin now, at most `room`; those whose lease ran out are taken up again. A run that
    meets an earlier one at work is skipped, or waits, as its schedule says. Of several that wait
    the last stands for all. To be called in the leader's transaction."""
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
    claimed: list[Claimed] = []
    for row in conn.execute(ready).all():
        if len(claimed) == room:
            break
        one = conn.execute(select(schedules).where(schedules.c.id == row.schedule_id)).one()
        schedule = Schedule(**one._mapping)
        # A run that began is never given up for a later one: its job waits for the rest.
        if not row.attempts and (reason := _in_the_way(conn, row, schedule)):
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
        claimed.append(Claimed(row.id, schedule, row.due_at, row.attempts + 1, owner))
    return claimed


def _in_the_way(conn: Connection, row: Any, schedule: Schedule) -> str | None:
    """Why a run cannot begin: a reason to skip it, "wait", or None."""
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
                return "a later run stands for it"
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


def heartbeat(conn: Connection, run: Claimed, ttl_s: float) -> bool:
    """Keep a run; False where it is another's, or gone."""
    return bool(_of(conn, run, lease_expires=utcnow(ttl_s)))


def finish(conn: Connection, run: Claimed, job_id: str, counts: Mapping[str, int]) -> bool:
    """The run is done: all is enqueued. False where it was another's."""
    return _of(
        conn, run, state="done", job_id=job_id, counts=dict(counts), error=None,
        finished_at=utcnow(), lease_owner=None, lease_expires=None,
    )  # fmt: skip  # a row


def fail(conn: Connection, run: Claimed, error: str) -> bool:
    """The run failed: tried again after a pause, or reported. Gives whether it will be."""
    again = run.attempts <= run.schedule.retries
    pause = min(3600.0, PAUSE_S * 2 ** (run.attempts - 1))
    _of(
        conn, run, state="due" if again else "failed", error=error,
        not_before=utcnow(pause) if again else None,
        finished_at=None if again else utcnow(), lease_owner=None, lease_expires=None,
    )  # fmt: skip  # a row
    return again


def give_back(conn: Connection, run: Claimed) -> None:
    """The process ends: another takes the run up at once; no attempt is used up."""
    _of(
        conn, run, state="due", attempts=schedule_runs.c.attempts - 1, lease_owner=None,
        lease_expires=None,
    )  # fmt: skip  # a row


def _of(conn: Connection, run: Claimed, **values: Any) -> bool:
    mine = (
        schedule_runs.c.id == run.id,
        schedule_runs.c.state == "running",
        schedule_runs.c.lease_owner == run.owner,
        schedule_runs.c.attempts == run.attempts,
    )
    return bool(changed(conn, update(schedule_runs).where(*mine).values(**values)))
