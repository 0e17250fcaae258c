"""Calls, tokens and cost of the last hour, minute by minute, and how many calls were in flight.

Calls in batches are left out: they come all at once, and count against no limit of a minute.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    Row,
    Select,
    Table,
    cast,
    func,
    literal,
    select,
)

from ruie.db.models import attempts, extractions
from ruie.db.types import utcnow
from ruie.db.usage_columns import FROM_MODEL, made_alone

MINUTES = 60
MARGIN_S = 120.0
"""Rows are stored nearly in the order of their times, of which there is no index: the first one is
sought by halving their numbers, and so much earlier."""
SETTLED = 3
"""Minutes after which all calls that ended in one are in the database: a transaction takes less."""
MOST = 400
"""So many tables of jobs, at most, are kept the minutes of."""
_SUMS = ("prompt_tokens", "completion_tokens", "cost_usd")
_FIELDS = ("calls", "failed", *_SUMS, "in_flight")


@dataclass(frozen=True, slots=True)
class Minute:
    """at: when it began, UTC. calls: those that failed included, each when it ended. in_flight: of
    those that were answered, how many were in flight, on average; how long the others took is not
    stored."""

    at: datetime
    calls: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    in_flight: float = 0.0

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


class SettledMinutes:
    """Minutes that are over, for who asks again and again: each call is read for a few minutes, and
    not for an hour. For any number of threads; what is pruned meanwhile stays in it for the hour.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str | None], tuple[int, list[Row[Any]]]] = {}

    def rows(self, conn: Connection, calls: Table, job_id: str | None, now: datetime) -> list[Any]:
        """Those of `_by_minute` for the last hour."""
        last = int(now.timestamp() // 60)
        begin = last - MINUTES
        to, kept = self._known.get((calls.name, job_id), (begin, []))
        to, kept = max(to, begin), [row for row in kept if row.ended > begin]
        new = conn.execute(_by_minute(conn, calls, job_id, to)).all()
        settled = last - SETTLED
        while len(self._known) >= MOST:
            self._known.pop(next(iter(self._known)), None)
        over = [*kept, *(row for row in new if row.ended <= settled)]
        self._known[calls.name, job_id] = max(to, settled), over
        return [*kept, *new]


def last_hour(
    conn: Connection,
    job_id: str | None = None,
    settled: SettledMinutes | None = None,
    now: datetime | None = None,
) -> list[Hour]:
    """The last hour of each endpoint and model that was called in it, the most calls first; of one
    job or of all. settled: what was read before. now: default, by the database's clock."""
    now = now or conn.execute(select(utcnow())).scalar_one()
    last = int(now.timestamp() // 60)
    settled = settled or SettledMinutes()
    found: dict[tuple[str, str], _Minutes] = {}
    for table in (extractions, attempts):
        for row in settled.rows(conn, table, job_id, now):
            minutes = found.setdefault((row.endpoint or "", row.model), _Minutes(last))
            minutes.add(row, failed=table is attempts)
    hours = [Hour(*target, minutes.listed()) for target, minutes in found.items()]
    return sorted(hours, key=lambda hour: (-hour.calls, hour.endpoint, hour.model))


class _Minutes:
    """The sums of one endpoint and model. last: the number of this minute, since 1970."""

    def __init__(self, last: int) -> None:
        self._first = last - MINUTES + 1
        self._sums = [dict.fromkeys(_FIELDS, 0.0) for _ in range(MINUTES)]

    def add(self, row: Any, *, failed: bool) -> None:
        """A row of `_by_minute`: calls that began in one minute and ended in another."""
        sums = self._of(row.ended)
        for name in ("calls", *_SUMS):
            sums[name] += getattr(row, name) or 0
        if failed:
            sums["failed"] += row.calls
            return
        if row.began == row.ended:
            sums["in_flight"] += row.seconds / 60
            return
        in_last = row.ends - 60.0 * row.ended * row.calls
        for number in range(row.began + 1, row.ended):
            self._of(number)["in_flight"] += row.calls
        in_first = row.seconds - in_last - 60.0 * row.calls * (row.ended - row.began - 1)
        self._of(row.began)["in_flight"] += in_first / 60
        sums["in_flight"] += in_last / 60

    def _of(self, number: int) -> dict[str, float]:
        place = number - self._first
        return self._sums[place] if 0 <= place < MINUTES else dict.fromkeys(_FIELDS, 0.0)

    def listed(self) -> tuple[Minute, ...]:
        return tuple(
            Minute(
                datetime.fromtimestamp(60 * (self._first + place), UTC),
                calls=int(sums["calls"]),
                failed=int(sums["failed"]),
                prompt_tokens=int(sums["prompt_tokens"]),
                completion_tokens=int(sums["completion_tokens"]),
                cost_usd=sums["cost_usd"],
                in_flight=sums["in_flight"],
            )
            for place, sums in enumerate(self._sums)
        )


def together(hours: Iterable[Hour]) -> tuple[Minute, ...]:
    """The minutes of all endpoints and models in one."""
    listed = [hour.minutes for hour in hours]
    return tuple(
        Minute(
            several[0].at,
            **{name: sum(getattr(each, name) for each in several) for name in _FIELDS},
        )
        for several in zip(*listed, strict=True)
    )


def _by_minute(conn: Connection, calls: Table, job_id: str | None, after: int) -> Select[Any]:
    """By the minutes in which calls began and ended, each by its number since 1970; of those that
    ended after the minute `after`. ends: the sum of when they ended, in seconds since then;
    seconds: that they took."""
    end = _epoch_s(conn, calls.c.created_at)
    took: ColumnElement[float] = literal(0.0, Double())
    if calls is extractions:
        took = cast(calls.c.latency_s, Double())
    ended, began = _minute(conn, end), _minute(conn, end - took)
    first = _first_since(conn, calls, 60.0 * (after + 1) - MARGIN_S)
    query = (
        select(
            calls.c.endpoint,
            calls.c.model,
            ended.label("ended"),
            began.label("began"),
            func.count().label("calls"),
            *(func.sum(calls.c[name]).label(name) for name in _SUMS),
            func.sum(end).label("ends"),
            func.sum(took).label("seconds"),
        )
        .where(calls.c.id >= first, ended > after)
        .where(made_alone(calls))
        .group_by(calls.c.endpoint, calls.c.model, ended, began)
    )
    if calls is extractions:
        query = query.where(calls.c.reused_from.is_(None), FROM_MODEL)
    return query if job_id is None else query.where(calls.c.job_id == job_id)


def _epoch_s(conn: Connection, at: ColumnElement[datetime]) -> ColumnElement[float]:
    """Seconds since 1970."""
    if conn.dialect.name == "postgresql":
        return cast(func.extract("epoch", at), Double())
    # Times are stored to the millisecond there, and days are not exact in floating point: half of
    # one more keeps what ended with a minute out of the minute before.
    days: ColumnElement[float] = func.julianday(at, type_=Double())
    return days * 86400.0 - (2440587.5 * 86400.0 - 0.0005)


def _minute(conn: Connection, seconds: ColumnElement[float]) -> ColumnElement[int]:
    if conn.dialect.name == "postgresql":
        return cast(func.floor(seconds / 60.0), BigInteger)
    return cast(seconds / 60.0, BigInteger)  # which SQLite cuts off


def _first_since(conn: Connection, calls: Table, seconds: float) -> int:
    """The number of about the first row that is no older than that many seconds since 1970."""
    recent = (calls.c.created_at > datetime.fromtimestamp(seconds, UTC)).label("recent")
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
