"""The limits' last minute, rebuilt from SQL after Redis was emptied.

Every call leaves a row: an extraction, a failed attempt, or, while it is in flight, its lease. The
coordinator puts them back into the limits' windows before it marks Redis as whole; until then
every worker waits. Calls in batches at the provider count against no limit of a minute, and are
left out. What is not known exactly is overestimated: every leased item counts as a call made now,
and a call without a recorded endpoint counts at each endpoint that was called lately.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from redis import Redis
from sqlalchemy import Connection, Select, Table, func, select

from ruie.db.item_states import LEASED
from ruie.db.models import attempts, extractions, jobs, work_items
from ruie.db.types import utcnow
from ruie.db.usage_columns import FROM_MODEL, made_alone
from ruie.worker.limits import MARKER
from ruie.worker.limits.types import EXPIRE_S, SLOTS_PER_S, WINDOW_S, keys

RECENT_ROWS = 200_000
"""Far more than a fleet's calls of a minute: the newest rows, found by their number."""


Target = tuple[str, str]
"""Endpoint and model."""


@dataclass(frozen=True, slots=True)
class RecentCalls:
    """Calls to one model: how many seconds ago, how many, and their tokens."""

    endpoint: str
    model: str
    age_s: float
    calls: int
    prompt_tokens: int
    completion_tokens: int


def recent_calls(conn: Connection, default: Target) -> list[RecentCalls]:
    """The calls that a window may still hold, and those that may be in flight. default: where calls
    of unknown endpoint or model went, if no other call shows it."""
    now = conn.execute(select(utcnow())).scalar_one()
    known: list[RecentCalls] = []
    unknown: list[tuple[str, float, int]] = []
    for calls in (extractions, attempts):
        for row in conn.execute(_recent(calls)):
            age_s = max(0.0, (now - row.created_at).total_seconds())
            if row.endpoint is None:
                unknown.append((row.model, age_s, 1))
                continue
            known.append(
                RecentCalls(
                    row.endpoint, row.model, age_s, 1, row.prompt_tokens, row.completion_tokens
                )
            )
    unknown += [(model, 0.0, count) for model, count in conn.execute(_LEASED)]
    return known + [
        _like_others(known, target, age_s, count)
        for model, age_s, count in unknown
        for target in _targets(known, model, default)
    ]


def _recent(calls: Table) -> Select[Any]:
    newest = func.coalesce(select(func.max(calls.c.id)).scalar_subquery(), 0)
    query = select(
        calls.c.endpoint,
        calls.c.model,
        calls.c.created_at,
        calls.c.prompt_tokens,
        calls.c.completion_tokens,
    ).where(
        calls.c.id > newest - RECENT_ROWS,
        calls.c.created_at > utcnow(-WINDOW_S - 1.0),
        made_alone(calls),
    )
    if calls is extractions:
        query = query.where(calls.c.reused_from.is_(None), FROM_MODEL)
    return query


_MODEL = func.coalesce(work_items.c.model, jobs.c.model)
# The job's endpoint is the enqueuer's, and says nothing of the workers'.
_LEASED = (
    select(_MODEL, func.count())
    .join(jobs, jobs.c.id == work_items.c.job_id)
    .where(work_items.c.state == LEASED)
    .group_by(_MODEL)
)


def _targets(known: Iterable[RecentCalls], model: str, default: Target) -> set[Target]:
    """Where a call of this model ("": the worker's own) may have gone."""
    called = {(each.endpoint, each.model) for each in known} or {default}
    return {(endpoint, model or other) for endpoint, other in called}


def _like_others(
    known: Iterable[RecentCalls], target: Target, age_s: float, count: int
) -> RecentCalls:
    """So many calls, with the tokens that a call to this model had lately."""
    alike = [each for each in known if (each.endpoint, each.model) == target]
    prompt = _mean(each.prompt_tokens for each in alike if each.prompt_tokens)
    completion = _mean(each.completion_tokens for each in alike if each.completion_tokens)
    return RecentCalls(*target, age_s, count, prompt * count, completion * count)


def _mean(values: Iterable[int]) -> int:
    listed = list(values)
    return -(-sum(listed) // len(listed)) if listed else 0


def restore(redis: Redis, recent: Iterable[RecentCalls], name: str) -> None:
    """Put the calls into the windows and mark Redis as whole, all at once. name: the marker's
    value, the coordinator's name."""
    time = redis.time()
    now = time[0] + time[1] / 1e6
    windows: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for each in recent:
        leaves = int((now - each.age_s) * SLOTS_PER_S) + SLOTS_PER_S * WINDOW_S + 1
        window = windows[keys(each.endpoint, each.model)[1]]
        total = each.prompt_tokens + each.completion_tokens
        for dimension, amount in (
            ("r", each.calls),
            ("i", each.prompt_tokens),
            ("o", each.completion_tokens),
            ("t", total),
        ):
            window[f"{leaves}:{dimension}"] += amount
    with redis.pipeline(transaction=True) as together:
        for key, window in windows.items():
            together.delete(key)
            together.hset(key, mapping={field: str(n) for field, n in window.items()})
            together.expire(key, EXPIRE_S)
        together.set(MARKER, name)
        together.execute()
