"""Schedules, and firing them: a run is made for each due time, once.

Times are the database's. The caller computes when an expression is due (worker/cron.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from ruie.closest import closest_first, listed
from ruie.db.models import schedule_runs, schedules
from ruie.db.sql import insert_new
from ruie.db.types import utcnow
from ruie.errors import UsageError
from ruie.lengths import check_length

LATE_S = 120.0
"""A due time that is older than this was missed: no coordinator ran."""

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
    """Store a schedule. Raises `UsageError` where the name is taken or too long."""
    check_length("name of the schedule", name)
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
        near = closest_first(name, conn.scalars(select(schedules.c.name)))
        there = f"There are {listed(near)}; `ruie schedule list` shows them." if near else ""
        hint = there or "`ruie schedule add` makes one."
        raise UsageError(f"There is no schedule {name}.", hint)
    return Schedule(**row._mapping)


def list_schedules(conn: Connection) -> list[Schedule]:
    """All schedules by name."""
    return [Schedule(**r._mapping) for r in conn.execute(select(schedules).order_by("name"))]


def remove(conn: Connection, name: str) -> None:
    """Delete a schedule and its runs; their jobs stay. A run in progress stops at its heartbeat."""
    schedule = get(conn, name)
    conn.execute(delete(schedule_runs).where(schedule_runs.c.schedule_id == schedule.id))
    conn.execute(delete(schedules).where(schedules.c.id == schedule.id))


def enable(conn: Connection, name: str, next_due_at: datetime | None) -> None:
    """Let it fire from `next_due_at` on; None: disable it."""
    get(conn, name)
    conn.execute(
        update(schedules)
        .where(schedules.c.name == name)
        .values(enabled=next_due_at is not None, next_due_at=next_due_at)
    )


def fire(conn: Connection, next_due: NextDue, latest_due: LatestDue) -> list[str]:
    """Make a run for each schedule that is due, one for all the times that were missed; returns the
    schedules' names. To be called in the leader's transaction."""
    due = select(schedules).where(schedules.c.next_due_at <= utcnow()).with_for_update()
    fired = []
    for row in conn.execute(due).all():
        schedule = Schedule(**row._mapping)
        now = clock(conn)
        assert schedule.next_due_at is not None
        zone = (schedule.cron, schedule.timezone)
        try:
            due_at, after = latest_due(*zone, schedule.next_due_at, now), next_due(*zone, now)
        except (
            UsageError
        ) as error:  # this host does not know the time zone; other schedules must still fire
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
