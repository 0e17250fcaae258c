"""By what a batch is found again at a provider that keeps no token of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update
from support.job_database import JobDatabase
from support.provider_job import ProviderJob

from ruie.db import provider_batches
from ruie.db.known_batches import announce, known_ids
from ruie.db.models import provider_batches as table


@pytest.fixture
def job(database: JobDatabase) -> ProviderJob:
    made = ProviderJob(database)
    made.enqueue(["Crude fell.", "Gold fell.", "Corn fell."])
    return made


def test_a_batch_has_as_many_requests_as_its_file(database: JobDatabase, job: ProviderJob) -> None:
    job.submit()
    number = job.cut()
    with database.engine.begin() as conn:
        assert announce(conn, number, 2)  # a document was forgotten meanwhile
        batch = provider_batches.find(conn, number)
        assert batch is not None
        assert (batch.requests, batch.state, batch.creates) == (2, "submitting", 1)
        assert not announce(conn, number, 1)  # it is under way
        again = provider_batches.find(conn, number)
        assert again is not None
        assert (again.requests, again.creates) == (2, 1)


def test_others_are_known_by_their_ids(database: JobDatabase, job: ProviderJob) -> None:
    first, second, third = database.take(job.id)
    job.submit([first])
    known = job.sent()
    job.submit([second])
    old = job.create(job.cut(), "batch_old")
    job.submit([third])
    sought = job.cut()
    with database.engine.begin() as conn:
        batch = provider_batches.find(conn, sought)
        assert batch is not None
        long_ago = batch.created_at - timedelta(days=2)
        conn.execute(update(table).where(table.c.id == old).values(created_at=long_ago))
        assert known_ids(conn, batch) == {"batch_1"}
        other = provider_batches.find(conn, known)
        assert other is not None
        assert known_ids(conn, other) == set()  # itself is none, nor what has no id
        conn.execute(update(table).where(table.c.id == known).values(endpoint="http://else"))
        assert known_ids(conn, batch) == set()
