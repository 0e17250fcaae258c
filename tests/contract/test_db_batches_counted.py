"""Calls in batches at a provider are counted as calls, and never as calls of a minute: they say
nothing of how long a call takes, nor of what a limit has left."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.job_database import JobDatabase

from ruie.db import fleet, queue
from ruie.db.engine import reading
from ruie.db.fold_sources import SOURCES
from ruie.db.lease import give_back_attempts
from ruie.db.throughput import last_hour
from ruie.db.totals import Total
from ruie.errors import TransientCallError
from ruie.records import Item
from ruie.worker.limits.restore import recent_calls

BATCH = 7


@pytest.fixture
def called(database: JobDatabase, record: Callable[..., Item]) -> JobDatabase:
    """Two calls in a batch, of which one failed, and one that was made alone."""
    job = database.job()
    database.enqueue(job, ["Crude fell.", "Gold fell.", "Corn fell."])
    first, second, third = database.take(job)
    database.save(first, [record(first.text, "COMMODITY", "Crude")], latency_s=2.5)
    gold = record(second.text, "COMMODITY", "Gold")
    database.save(second, [gold], latency_s=0.0, provider_batch_id=BATCH, mode="batch")
    error = TransientCallError("no answer")
    with database.engine.begin() as conn:
        queue.record_attempt(
            conn, third, error, model="small", endpoint="http://127.0.0.1:8000/v1",
            provider_batch_id=BATCH,
        )  # fmt: skip  # one call
        queue.retry(conn, third, 60.0, error, counts=True)
    return database


def test_they_are_in_no_window_of_a_limit(called: JobDatabase) -> None:
    with reading(called.engine) as conn:
        recent = recent_calls(conn, ("http://own", "own"))
        (hour,) = last_hour(conn)
    assert [each.calls for each in recent] == [1]
    assert (hour.calls, sum(minute.failed for minute in hour.minutes)) == (1, 0)


def test_they_say_nothing_of_how_long_a_call_takes(called: JobDatabase) -> None:
    with reading(called.engine) as conn:
        (recent,) = fleet.recent_calls(conn)
        totals = SOURCES[0].count(conn, 0, 1000)
    assert (recent.calls, recent.latency_s) == (1, 2.5)
    buckets = {key.kind: value for key, value in totals.items() if key.name is Total.CALL_BUCKET}
    assert {bound: count for bound, count in buckets.items() if count} == {"4.0": 1}
    assert sum(v for k, v in totals.items() if k.name is Total.ANSWERED_CALLS) == 2


def test_an_answer_in_a_batch_does_not_say_that_calls_are_answered(called: JobDatabase) -> None:
    """Attempts are given back that failed since the last call that was answered alone."""
    job = called.job("later")
    called.enqueue(job, ["Tin fell.", "Zinc fell."])
    failed, batched = called.take(job)
    with called.engine.begin() as conn:
        error = TransientCallError("no answer")
        queue.record_attempt(conn, failed, error, model="small", endpoint="e")
        queue.retry(conn, failed, 0.0, error, counts=True)
    called.save(batched, provider_batch_id=BATCH)
    attempts = f"SELECT attempts FROM work_items WHERE id = {failed.id}"
    assert called.one(attempts) == 1
    with called.engine.begin() as conn:
        give_back_attempts(conn, [error.kind])
    assert called.one(attempts) == 0


def test_a_record_says_in_which_batch_it_came(called: JobDatabase) -> None:
    query = "SELECT mode, provider_batch_id FROM record_provenance ORDER BY record_id"
    assert called.rows(query) == [(None, None), ("batch", BATCH)]
