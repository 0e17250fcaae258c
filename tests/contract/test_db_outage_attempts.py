"""Attempts that calls used up while their endpoint went away are given back."""

from __future__ import annotations

import pytest
from support.job_database import JobDatabase

from ruie.db import endpoints, queue
from ruie.errors import TransientCallError
from ruie.llm.ledger import Failure
from ruie.records import Task

URL = "http://llm.test/v1"


@pytest.mark.parametrize(("latency_s", "attempts"), [(60.0, 0), (0.0, 1)])
def test_an_answer_counts_from_when_its_call_was_sent(
    database: JobDatabase, latency_s: float, attempts: int
) -> None:
    """One that was on its way while another call failed does not say that the endpoint was there;
    one that was asked for after that does."""
    job = database.job()
    database.enqueue(job, {"a": "Oil fell.", "b": "Gas rose."}, Task.NER)
    failing, answered = database.take(job)
    with database.engine.begin() as conn:
        queue.retry(conn, failing, 0.0, TransientCallError("500"), counts=True)
    database.save(answered, [], latency_s=latency_s)
    with database.engine.begin() as conn:
        endpoints.failed(conn, URL, Failure("transient", "500", ("x",)), certain=True)
    assert database.one(f"SELECT attempts FROM work_items WHERE id = {failing.id}") == attempts
