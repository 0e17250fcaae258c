"""What an emptied Redis forgot of the limits' last minute, told again from SQL.

Every call leaves a row: an extraction, a failed attempt, or, while it is in flight, its lease. The
coordinator puts them back into the limits' windows before it marks Redis as whole; until then
every worker waits. What is not known exactly counts as more: every leased item as a call made now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from redis import Redis
from sqlalchemy import Connection, func, select

from ruie.db.models import attempts, extractions, jobs, work_items
from ruie.db.sql import LEASED
from ruie.db.types import utcnow
from ruie.worker.limits import MARKER
from ruie.worker.limits.types import keys

WINDOW_S = 62.0
SLOTS = 4  # as in worker/limits/script.lua
RECENT_ROWS = 200_000
"""Far more than a fleet's calls of a minute: the newest rows, found by their number."""


@dataclass(frozen=True, slots=True)
class Made:
    """Calls to one model: how many seconds ago, how many, and their tokens."""

    endpoint: str
    model: str
    age_s: float
    calls: int
    prompt_tokens: int
    completion_tokens: int


def recent_calls(conn: Connection, within_s: float) -> list[Made]:
    """The calls of the last `within_s` seconds, and those that may be in flight."""
    now = conn.execute(select(utcnow())).scalar_one()
    newest = func.coalesce(select(func.max(extractions.c.id)).scalar_subquery(), 0)
    answered = select(
        extractions.c.endpoint,
        extractions.c.model,
        extractions.c.created_at,
        extractions.c.prompt_tokens,
        extractions.c.completion_tokens,
    ).where(
        extractions.c.id > newest - RECENT_ROWS,
        extractions.c.created_at > utcnow(-within_s),
        extractions.c.reused_from.is_(None),
    )
    latest = func.coalesce(select(func.max(attempts.c.id)).scalar_subquery(), 0)
    failed = (
        select(
            jobs.c.endpoint,
            attempts.c.model,
            attempts.c.created_at,
            attempts.c.prompt_tokens,
            attempts.c.completion_tokens,
        )
        .join(jobs, jobs.c.id == attempts.c.job_id)
        .where(attempts.c.id > latest - RECENT_ROWS, attempts.c.created_at > utcnow(-within_s))
    )
    made = [
        Made(row[0], row[1], max(0.0, (now - row[2]).total_seconds()), 1, row[3], row[4])
        for query in (answered, failed)
        for row in conn.execute(query)
    ]
    return made + _in_flight(conn, made)


def _in_flight(conn: Connection, made: list[Made]) -> list[Made]:
    """Leased items as calls made now, with the tokens that a call had lately."""
    leased = (
        select(jobs.c.endpoint, func.coalesce(work_items.c.model, jobs.c.model), func.count())
        .join(jobs, jobs.c.id == work_items.c.job_id)
        .where(work_items.c.state == LEASED)
        .group_by(jobs.c.endpoint, func.coalesce(work_items.c.model, jobs.c.model))
    )
    flying = []
    for endpoint, model, count in conn.execute(leased):
        # A job that names no endpoint or model has the worker's: the one that was called lately.
        endpoint = endpoint or next((each.endpoint for each in made), "")
        model = model or next((each.model for each in made if each.endpoint == endpoint), "")
        known = [each for each in made if (each.endpoint, each.model) == (endpoint, model)]
        prompt = _mean(each.prompt_tokens for each in known if each.prompt_tokens)
        completion = _mean(each.completion_tokens for each in known if each.completion_tokens)
        flying.append(Made(endpoint, model, 0.0, count, prompt * count, completion * count))
    return flying


def _mean(values: Iterable[int]) -> int:
    listed = list(values)
    return -(-sum(listed) // len(listed)) if listed else 0


def restore(redis: Redis, made: Iterable[Made], name: str) -> None:
    """Put the calls into the windows and mark Redis as whole, all at once. name: who says so."""
    time = redis.time()
    now = time[0] + time[1] / 1e6
    windows: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for each in made:
        leaves = int((now - each.age_s) * SLOTS) + int(SLOTS * (WINDOW_S - 1)) + 1
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
            together.expire(key, 7200)
        together.set(MARKER, name)
        together.execute()
