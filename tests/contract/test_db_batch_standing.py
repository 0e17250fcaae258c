"""How the batches at the provider stand, and what of a job in batches feeds workers."""

from __future__ import annotations

import pytest
from support.job_database import JobDatabase
from support.provider_job import ProviderJob

from ruie.db import fleet, provider_batches
from ruie.db.batch_standing import batch_standing, count_waiting
from ruie.db.engine import reading
from ruie.db.fleet import Ready


@pytest.fixture
def job(database: JobDatabase) -> ProviderJob:
    made = ProviderJob(database)
    made.enqueue(["Crude fell.", "Gold fell.", "Corn fell."])
    return made


def sent_before(database: JobDatabase, batch: int, seconds: int) -> None:
    """Say that a batch was sent so long ago."""
    sqlite = database.engine.dialect.name == "sqlite"
    at = (
        f"strftime('%Y-%m-%d %H:%M:%f', 'now', '-{seconds} seconds') || '000'"
        if sqlite
        else f"now() - interval '{seconds} seconds'"
    )
    with database.engine.begin() as conn:
        conn.exec_driver_sql(f"UPDATE provider_batches SET submitted_at = {at} WHERE id = {batch}")


def test_ages_and_what_waits(database: JobDatabase, job: ProviderJob) -> None:
    *first, last = database.take(job.id)
    job.submit(first)
    batch = job.cut()
    job.submit([last])
    with reading(database.engine) as conn:
        now = batch_standing(conn)
        assert (count_waiting(conn), count_waiting(conn, job.id)) == (1, 1)
        assert count_waiting(conn, "another") == 0
    assert {state: n for state, n in now.by_state.items() if n} == {"preparing": 1}
    assert (now.oldest_s, now.unconfirmed_s, now.requests_waiting) == (0.0, 0.0, 1)
    with database.engine.begin() as conn:
        assert provider_batches.begin_create(conn, batch)
    sent_before(database, batch, 1000)
    with reading(database.engine) as conn:
        now = batch_standing(conn)
    assert now.unconfirmed_s >= 1000
    assert now.oldest_s == 0.0
    with database.engine.begin() as conn:
        assert provider_batches.created(conn, batch, "batch_1", "in_progress")
    with reading(database.engine) as conn:
        now = batch_standing(conn)
    assert (now.oldest_s >= 1000, now.unconfirmed_s) == (True, 0.0)


def test_a_batch_that_is_a_file_is_not_waited_for(database: JobDatabase, job: ProviderJob) -> None:
    job.submit()
    batch = job.cut()
    with database.engine.begin() as conn:
        provider_batches.begin_create(conn, batch)
        provider_batches.created(conn, batch, "file:a.jsonl", provider_batches.BY_HAND)
    sent_before(database, batch, 1000)
    with reading(database.engine) as conn:
        now = batch_standing(conn)
    assert (now.by_state["running"], now.oldest_s) == (1, 0.0)


def test_items_in_batches_need_no_worker_and_answered_ones_do(
    database: JobDatabase, job: ProviderJob
) -> None:
    def ready() -> list[Ready]:
        with reading(database.engine) as conn:
            jobs, _ = fleet.open_jobs(conn, "2026-01-01")
            assert [each.batched for each in jobs] == [True]
            return fleet.ready(conn, jobs, 100)

    assert ready() == [Ready("small", 3, batched=True)]
    job.submit()
    batch = job.sent()
    assert ready() == []
    job.answer(batch)
    assert ready() == [Ready("small", 3, batched=True)]
