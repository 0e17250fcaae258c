"""Documents are forgotten, and jobs cancelled, while their requests are in batches."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from support.job_database import JobDatabase
from support.provider_job import COST_NUSD, MOST_NUSD, ProviderJob

from ruie.db import forget, job_states, provider_requests
from ruie.db.engine import reading
from ruie.db.erasure import blank
from ruie.db.provider_lines import LATE_ANSWER
from ruie.records import Item, Task

SECRET = "Quillfeather said that crude fell."
OTHER = "Crude rose in Vienna."


@pytest.fixture
def job(database: JobDatabase) -> ProviderJob:
    made = ProviderJob(database)
    made.enqueue([SECRET, OTHER], Task.NER)
    return made


def forget_secret(database: JobDatabase) -> None:
    with reading(database.engine) as conn:
        (found,) = forget.find(conn, [SECRET])
    with database.engine.begin() as conn:
        assert forget.mark(conn, [found.document_id]) == 0
        blank(conn, [found.document_id])


def content(engine: Engine) -> list[tuple[bytes, bytes, bytes | None]]:
    """What is kept of the requests, in their order."""
    query = "SELECT body, question, answer FROM provider_requests ORDER BY id"
    with engine.connect() as conn:
        return [tuple(row) for row in conn.exec_driver_sql(query)]


def test_a_request_that_waits_is_not_sent(database: JobDatabase, job: ProviderJob) -> None:
    job.submit()
    forget_secret(database)
    assert job.requests() == ["waiting"]
    assert database.states(job.id) == ["cancelled", "submitted"]
    assert job.committed_nusd() == MOST_NUSD
    batch = job.cut()
    assert database.one(f"SELECT requests FROM provider_batches WHERE id = {batch}") == 1


def test_a_request_in_a_batch_is_blank_and_stays_reserved(
    database: JobDatabase, job: ProviderJob
) -> None:
    job.submit()
    batch = job.sent()
    forget_secret(database)
    assert job.requests() == ["sent", "sent"]
    assert job.committed_nusd() == 2 * MOST_NUSD
    blanked, kept = content(database.engine)
    assert blanked == (b"", b"", None)
    assert all(kept[:2])
    with reading(database.engine) as conn:
        bodies = list(provider_requests.bodies(conn, batch))
    assert len(bodies) == 1


def test_its_late_answer_is_booked_and_not_kept(database: JobDatabase, job: ProviderJob) -> None:
    job.submit()
    batch = job.sent()
    forget_secret(database)
    assert job.answer(batch) == (2, 0)
    assert job.requests() == ["answered"]
    assert database.states(job.id) == ["cancelled", "pending"]
    assert job.committed_nusd() == 2 * COST_NUSD
    assert [each[1:] for each in job.booked()] == [(LATE_ANSWER, COST_NUSD, batch)]
    assert job.answer(batch) == (0, 0)


@pytest.mark.parametrize("read_by", ["cancel", "forget"])
def test_an_answer_that_no_worker_has_read_is_booked(
    database: JobDatabase, job: ProviderJob, read_by: str
) -> None:
    job.submit()
    job.answer(job.sent())
    if read_by == "forget":
        forget_secret(database)
        left = ["answered"]  # of the other document
    else:
        with database.engine.begin() as conn:
            job_states.set_job_state(conn, job.id, "cancelled")
        left = ["late", "late"]
    assert job.requests() == left
    late = [each[1:3] for each in job.booked()]
    assert late == [(LATE_ANSWER, COST_NUSD)] * (1 if read_by == "forget" else 2)
    assert job.committed_nusd() == 2 * COST_NUSD


def test_a_job_that_is_cancelled_books_what_comes(database: JobDatabase, job: ProviderJob) -> None:
    job.submit()
    batch = job.sent()
    with database.engine.begin() as conn:
        job_states.set_job_state(conn, job.id, "cancelled")
    job.answer(batch)
    assert job.requests() == ["late", "late"]
    assert database.one("SELECT COUNT(*) FROM attempts") == 2
    assert job.committed_nusd() == 2 * COST_NUSD


def test_requests_about_events_outlive_their_items(
    database: JobDatabase, record: Callable[..., Item]
) -> None:
    """Those items are deleted; what their requests cost is booked on the one that found the
    event."""
    job = ProviderJob(database)
    job.enqueue([SECRET], Task.ED)
    (detecting,) = database.take(job.id)
    database.save(detecting, [record(SECRET, "Movement", "fell")])
    (about,) = job.submit()
    assert about.task is Task.EAE
    batch = job.sent()
    forget_secret(database)
    assert database.rows("SELECT task FROM work_items") == [("ED",)]
    job.answer(batch)
    assert job.requests() == []
    assert job.booked() == [(detecting.id, LATE_ANSWER, COST_NUSD, batch)]
    assert job.committed_nusd() == COST_NUSD
