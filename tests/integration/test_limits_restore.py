"""The limits' last minute is rebuilt from SQL, before any process may call."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest
import redis
from sqlalchemy import Connection, Engine, update
from support.limiting import ENDPOINT, MODEL, call, in_window, limited

from ruie.db import jobs, queue, results
from ruie.db.engine import open_engine, reading
from ruie.db.job_settings import JobSettings
from ruie.db.models import work_items
from ruie.db.types import utcnow
from ruie.decoding import Decoding
from ruie.errors import TransientCallError
from ruie.records import Task
from ruie.usage import Usage
from ruie.worker.limits import MARKER, FleetLimiter, Limits
from ruie.worker.limits.restore import RecentCalls, recent_calls, restore


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


ENQUEUER = "http://enqueuer"
"""The endpoint of the jobs' enqueuer: no worker calls it."""
OWN = ("http://own", "own")
"""The coordinator's endpoint and model."""


def leased(conn: Connection, count: int) -> list[queue.LeasedItem]:
    """So many leased items of a job that names no model."""
    settings = JobSettings(Decoding())
    new = jobs.NewJob("n", "s", {"name": "s"}, "d" * 64, "", ENQUEUER, "1", settings)
    job = jobs.create_job(conn, new)
    rows = [queue.NewDocument(f"text {n}", str(n)) for n in range(count)]
    queue.enqueue_documents(conn, job, rows, (Task.NER,))
    batches = queue.dispatch(conn, job, count, count, 60)
    return [item for batch in batches for item in queue.lease(conn, batch.id, "w", 60)]


def answered(conn: Connection, item: queue.LeasedItem, endpoint: str = ENDPOINT) -> None:
    extraction = results.NewExtraction(
        f"k{item.id}", MODEL, endpoint, "1", "b" * 64, "d" * 64, (), 100, 20, 0.5, "None"
    )
    assert results.save_result(conn, item, extraction, ())


def test_the_last_minute_is_put_back_and_counts(engine: Engine, url: str) -> None:
    client = redis.Redis.from_url(url)
    with engine.begin() as conn:
        items = leased(conn, 10)
        for item in items[:6]:
            answered(conn, item)
        error = TransientCallError("no answer")
        queue.record_attempt(
            conn, items[6], error, model=MODEL, endpoint=ENDPOINT, usage=Usage(100, 20)
        )
        queue.retry(conn, items[6], 0.0, error, counts=True)
    with reading(engine) as conn:
        restore(client, recent_calls(conn, OWN), "coordinator")
    # six answers, one failure, and three that may be in flight, each like the others
    assert in_window(url, "r") == 10
    assert in_window(url, "i") == 1000
    assert in_window(url, "o") == 200
    assert in_window(url, "t") == 1200
    assert client.get(MARKER) == b"coordinator"

    async def use(limiter: FleetLimiter) -> int:
        waiting = [asyncio.create_task(limiter.hook().before(call())) for _ in range(6)]
        done, late = await asyncio.wait(waiting, timeout=2.0)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return len(done)

    limits = Limits(requests_per_minute=13, burst_s=60)
    assert limited(url, limits, use, guarded=True) == 3


def test_what_is_older_than_the_window_is_forgotten(engine: Engine, url: str) -> None:
    client = redis.Redis.from_url(url)
    with engine.begin() as conn:
        (item,) = leased(conn, 1)
        answered(conn, item)
        conn.exec_driver_sql("UPDATE extractions SET created_at = '2020-01-01 00:00:00.000000'")
    with reading(engine) as conn:
        recent = recent_calls(conn, OWN)
    assert recent == []
    restore(client, recent, "coordinator")
    assert [key.decode() for key in client.scan_iter()] == [MARKER]


def test_a_failed_call_counts_where_it_was_made(engine: Engine, url: str) -> None:
    """And not at the endpoint of the job's enqueuer."""
    with engine.begin() as conn:
        (item,) = leased(conn, 1)
        error = TransientCallError("no answer")
        queue.record_attempt(conn, item, error, model=MODEL, endpoint=ENDPOINT, usage=Usage(100))
        queue.retry(conn, item, 60.0, error, counts=True)
    with reading(engine) as conn:
        restore(redis.Redis.from_url(url), recent_calls(conn, OWN), "coordinator")
    assert (in_window(url, "r"), in_window(url, "i")) == (1, 100)


def test_calls_of_unknown_endpoint_count_at_each_that_was_called(engine: Engine) -> None:
    """Those of a lost worker, and those in flight."""
    with engine.begin() as conn:
        lost, _, *others = leased(conn, 4)
        for item, endpoint in zip(others, ("http://one", "http://two"), strict=True):
            answered(conn, item, endpoint)
        conn.execute(
            update(work_items).where(work_items.c.id == lost.id).values(lease_expires=utcnow(-1.0))
        )
        assert queue.reap(conn, 3) == (1, 0)
    with reading(engine) as conn:
        recent = recent_calls(conn, OWN)
    calls = Counter[str]()
    for each in recent:
        calls[each.endpoint] += each.calls
        assert (each.model, each.prompt_tokens) == (MODEL, 100)
    assert calls == {"http://one": 3, "http://two": 3}


def test_without_a_known_call_the_coordinators_endpoint_counts(engine: Engine) -> None:
    with engine.begin() as conn:
        leased(conn, 3)
    with reading(engine) as conn:
        assert recent_calls(conn, OWN) == [RecentCalls(*OWN, 0.0, 3, 0, 0)]
