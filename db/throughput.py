"""Calls, tokens and cost of the last hour, minute by minute; not of calls in batches, which come
all at once and count against no limit of a minute."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, func, select

from ruie.db.models import attempts, extractions
from ruie.db.types import utcnow
from ruie.db.usage_columns import FROM_MODEL, made_alone

MINUTES = 60
MARGIN_S = 120.0
"""Rows are stored nearly in the order of their times, of which there is no index: the first one is
sought by halving their numbers, and so much earlier."""
_FORMAT = "%Y-%m-%d %H:%M"
_SUMS = ("prompt_tokens", "completion_tokens", "cost_usd")


@dataclass(frozen=True, slots=True)
class Minute:
    """at: when it began, UTC. calls: those that failed included, each when it ended."""

    at: datetime
    calls: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Hour:
    """The last 60 minutes, the oldest first; the last one is not over. endpoint, model: of the
    calls."""

    endpoint: str
    model: str
    minutes: tuple[Minute, ...]

    @property
    def calls(self) -> int:
        return sum(minute.calls for minute in self.minutes)

    @property
    def calls_per_second(self) -> float:
        """Of the last five minutes that are over."""
        return sum(minute.calls for minute in self.minutes[-6:-1]) / 300


def last_hour(conn: Connection, job_id: str | None = None) -> list[Hour]:
    """The last hour of each endpoint and model that was called in it, the most calls first; of one
    job or of all."""
    now: datetime = conn.execute(select(utcnow())).scalar_one()
    first = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    found: dict[tuple[str, str], dict[str, list[Any]]] = {}
    for table in (extractions, attempts):
        for row in conn.execute(_by_minute(conn, table, job_id)):
            minutes = found.setdefault((row.endpoint or "", row.model), {})
            sums = minutes.setdefault(row.minute, [0, 0, 0, 0, 0.0])
            failed = row.calls if table is attempts else 0
            new = (row.calls, failed, *(row[3 + place] or 0 for place in range(len(_SUMS))))
            minutes[row.minute] = [old + more for old, more in zip(sums, new, strict=True)]
    hours = [Hour(*target, _filled(first, minutes)) for target, minutes in found.items()]
    return sorted(hours, key=lambda hour: (-hour.calls, hour.endpoint, hour.model))


def together(hours: Iterable[Hour]) -> tuple[Minute, ...]:
    """The minutes of all endpoints and models in one."""
    listed = [hour.minutes for hour in hours]
    return tuple(
        Minute(
            several[0].at,
            *(sum(getattr(each, name) for each in several) for name in ("calls", "failed", *_SUMS)),
        )
        for several in zip(*listed, strict=True)
    )


def _by_minute(conn: Connection, calls: Table, job_id: str | None) -> Select[Any]:
    minute: ColumnElement[str]
    if conn.dialect.name == "sqlite":
        minute = func.substr(calls.c.created_at, 1, 16)
    else:
        minute = func.to_char(func.timezone("UTC", calls.c.created_at), "YYYY-MM-DD HH24:MI")
    first = _first_since(conn, calls, 60.0 * MINUTES + MARGIN_S)
    query = (
        select(
            minute.label("minute"),
            calls.c.model,
            func.count().label("calls"),
            *(func.sum(calls.c[name]) for name in _SUMS),
            calls.c.endpoint,
        )
        .where(calls.c.id >= first, calls.c.created_at > utcnow(-60.0 * MINUTES))
        .where(made_alone(calls))
        .group_by(minute, calls.c.model, calls.c.endpoint)
    )
    if calls is extractions:
        query = query.where(calls.c.reused_from.is_(None), FROM_MODEL)
    return query if job_id is None else query.where(calls.c.job_id == job_id)


def _first_since(conn: Connection, calls: Table, seconds: float) -> int:
    """The number of about the first row that is no older."""
    recent = (calls.c.created_at > utcnow(-seconds)).label("recent")
    low, high = conn.execute(select(func.min(calls.c.id), func.max(calls.c.id))).one()
    if low is None:
        return 0
    while low < high:
        middle = (low + high) // 2
        row = conn.execute(
            select(calls.c.id, recent).where(calls.c.id > middle).order_by(calls.c.id).limit(1)
        ).one()
        if row.recent:
            high = middle
        else:
            low = row.id
    return int(low)


def _filled(first: datetime, minutes: dict[str, list[Any]]) -> tuple[Minute, ...]:
    times = [first + timedelta(minutes=number) for number in range(MINUTES)]
    return tuple(Minute(at, *minutes.get(at.strftime(_FORMAT), ())) for at in times)
