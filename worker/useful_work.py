"""How many worker processes could be fed now: the one figure to scale workers by.

Nothing that has to wait feeds a worker: neither items of paused jobs, nor any while the endpoint is
away or has asked for a long pause. A limit of the rate feeds as many calls in flight as Little's
law says: its rate times the time that a call takes. Items in batches at the provider feed nobody
until they are answered; then they are read, and before that built, whatever the limits are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager

from redis import Redis
from sqlalchemy import Connection, Engine, select

from ruie.db import fleet, leadership
from ruie.db.engine import reading
from ruie.db.fleet import EndpointState, OpenJob, Ready, RecentCalls
from ruie.db.types import utcnow
from ruie.settings import Settings
from ruie.worker.limits.types import WINDOW_S, Limits
from ruie.worker.limits.usage import LimitUsage, read_usage

LONG_PAUSE_S = 60.0
"""A shorter pause is over before workers that were stopped could be back."""


def advise(
    engine: Engine,
    redis: Redis,
    config: Settings,
    leading: Callable[[], AbstractContextManager[Connection]],
) -> None:
    """Say in SQL how many processes could be fed, for whoever starts and stops workers. leading: a
    transaction in which this process is known to lead. Raises what that raises, and DBAPIError and
    RedisError."""
    processes = read_useful(engine, redis, config)
    with leading() as conn:
        leadership.advise(conn, processes)


def read_useful(engine: Engine, redis: Redis, config: Settings) -> int:
    """How many processes could be fed now. Raises DBAPIError, RedisError."""
    with reading(engine) as conn:
        now = conn.execute(select(utcnow())).scalar_one()
        jobs, _ = fleet.open_jobs(conn, f"{now:%Y-%m-%d}")
        endpoints, recent = fleet.endpoint_states(conn, now), fleet.recent_calls(conn)
        ready = fleet.ready(conn, jobs, config.window)
    usage = read_usage(redis, targets(jobs, recent, config), Limits.of(config))
    return useful_now(endpoints, ready, usage, recent, config)


def targets(
    jobs: Iterable[OpenJob], recent: Iterable[RecentCalls], config: Settings
) -> set[tuple[str, str]]:
    """The endpoints and models that calls go to, or may."""
    called = {(each.endpoint, each.model) for each in recent}
    return called | {(config.llm_endpoint, job.model or config.llm_model) for job in jobs}


def useful_now(
    endpoints: Iterable[EndpointState],
    ready: Iterable[Ready],
    usage: Sequence[LimitUsage],
    recent: Sequence[RecentCalls],
    config: Settings,
) -> int:
    """As `useful_processes`, for the endpoint that is configured."""
    # A coordinator that knows no endpoint sends to the workers', whichever that is.
    away = [
        each
        for each in endpoints
        if each.away_s is not None and config.llm_endpoint in (each.url, "")
    ]
    return useful_processes(
        ready,
        usage,
        recent,
        calls_per_process=config.llm_max_in_flight,
        away=bool(away),
        trying=all(each.trying for each in away),
    )


def useful_processes(
    ready: Iterable[Ready],
    usage: Collection[LimitUsage],
    recent: Collection[RecentCalls],
    *,
    calls_per_process: int,
    away: bool,
    trying: bool = False,
) -> int:
    """away: no call reaches the endpoint; trying: single calls are made, to see whether one does.
    calls_per_process: that one process has in flight."""
    if away and not trying:
        return 0
    calls = sum(_calls(each, usage, recent) for each in ready)
    processes = math.ceil(calls / calls_per_process)
    return min(processes, 1) if away else processes


def _calls(ready: Ready, usage: Collection[LimitUsage], recent: Collection[RecentCalls]) -> float:
    """Calls to this model that could be in flight, or answers that could be read."""
    if ready.batched:
        return float(ready.items)  # no limit of a minute bounds batches
    limited = [each for each in usage if each.model == ready.model]
    if not limited:  # not called lately, or by the name that the endpoint gives it
        limited = [] if ready.model else list(usage)
    if not limited:
        return float(ready.items)
    return min(float(ready.items), sum(_most(each, ready, recent) for each in limited))


def _most(usage: LimitUsage, ready: Ready, recent: Collection[RecentCalls]) -> float:
    """Calls that the limits of one endpoint and model let be in flight."""
    if usage.pause_s > LONG_PAUSE_S:
        return 0.0
    most = float(usage.most_in_flight or ready.items)
    target = (usage.endpoint, usage.model)
    calls = next((each for each in recent if (each.endpoint, each.model) == target), None)
    rates = _rates(usage, calls)
    if not rates:
        return most
    if calls is None:  # how long they take is not known: one shows it
        return min(most, 1.0)
    return min(most, max(1.0, min(rates) * calls.latency_s))


def _rates(usage: LimitUsage, calls: RecentCalls | None) -> list[float]:
    """Calls a second, of each limit."""
    rates = [] if usage.ceiling_per_s is None else [usage.ceiling_per_s]
    means = {"r": 1.0}
    if calls is not None:
        means |= {
            "i": calls.input_tokens,
            "o": calls.output_tokens,
            "t": calls.input_tokens + calls.output_tokens,
        }
    for dimension, limit in usage.per_minute.items():
        mean = means.get(dimension, 1.0)
        if mean > 0:
            rates.append(limit / WINDOW_S / mean)
    return rates
