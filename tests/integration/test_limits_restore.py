"""What an emptied Redis forgot is told again from SQL, before anybody may call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import Connection, Engine
from support.limiting import ENDPOINT, MODEL, call, in_window, limited

from ruie.db import jobs, migrate, queue, results
from ruie.db.engine import open_engine, reading
from ruie.errors import TransientCallError
from ruie.records import Task
from ruie.worker.limits import MARKER, FleetLimiter, Limits
from ruie.worker.limits.restore import WINDOW_S, recent_calls, restore


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path}/ruie.db")
    migrate.upgrade(opened)
    yield opened
    opened.dispose()


def leased(conn: Connection, count: int) -> list[queue.LeasedItem]:
    """So many items in a worker's hands, of a job that names no model."""
    new = jobs.NewJob("n", "s", {"name": "s"}, "d" * 64, "", ENDPOINT, "", "1", {"max_tokens": 9})
    job = jobs.create_job(conn, new)
    rows = [queue.NewDocument(f"text {n}", str(n)) for n in range(count)]
    queue.enqueue_documents(conn, job, rows, (Task.NER,))
    batches = queue.dispatch(conn, job, count, count, 60)
    return [item for batch in batches for item in queue.lease(conn, batch.id, "w", 60)]


def answered(conn: Connection, item: queue.LeasedItem) -> None:
    extraction = results.NewExtraction(
        f"k{item.id}", MODEL, ENDPOINT, "1", "b" * 64, "d" * 64, (), 100, 20, 0.5, "None"
    )
    assert results.save_result(conn, item, extraction, ())


def test_the_last_minute_is_put_back_and_counts(engine: Engine, url: str) -> None:
    client = redis.Redis.from_url(url)
    with engine.begin() as conn:
        items = leased(conn, 10)
        for item in items[:6]:
            answered(conn, item)
        error = TransientCallError("no answer")
        queue.record_attempt(conn, items[6], error, model=MODEL, tokens=(100, 20))
        queue.retry(conn, items[6], 0.0, error, counts=True)
    with reading(engine) as conn:
        restore(client, recent_calls(conn, WINDOW_S), "coordinator")
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
        made = recent_calls(conn, WINDOW_S)
    assert made == []
    restore(client, made, "coordinator")
    assert [key.decode() for key in client.scan_iter()] == [MARKER]
