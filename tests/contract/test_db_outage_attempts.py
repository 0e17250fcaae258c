"""Attempts that calls used up while their endpoint went away are given back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

import pytest
from sqlalchemy import update
from support.job_database import JobDatabase

from ruie.db import endpoints, queue, targets
from ruie.db.models import attempts as failed_calls
from ruie.db.types import utcnow
from ruie.errors import TransientCallError
from ruie.llm.ledger import Failure, Target
from ruie.llm.profile import DEFAULT
from ruie.records import Task

URL = "http://llm.test/v1"


def fail(database: JobDatabase, item: queue.LeasedItem) -> None:
    error = TransientCallError("500")
    with database.engine.begin() as conn:
        assert queue.retry(conn, item, 0.0, error, counts=True)
        queue.record_attempt(conn, item, error, model="m", endpoint=URL)


def go_away(database: JobDatabase) -> None:
    with database.engine.begin() as conn:
        endpoints.failed(conn, URL, Failure("transient", "500", ("x",)), certain=True)


@pytest.mark.parametrize(("latency_s", "attempts"), [(60.0, 0), (0.0, 1)])
def test_an_answer_counts_from_when_its_call_was_sent(
    database: JobDatabase, latency_s: float, attempts: int
) -> None:
    """One that was on its way while another call failed does not say that the endpoint was there;
    one that was asked for after that does."""
    job = database.job()
    database.enqueue(job, {"a": "Oil fell.", "b": "Gas rose."}, Task.NER)
    failing, answered = database.take(job)
    fail(database, failing)
    with database.engine.begin() as conn:  # half a minute before the answer is saved
        conn.execute(update(failed_calls).values(created_at=utcnow(-30)))
    database.save(answered, [], latency_s=latency_s)
    go_away(database)
    assert database.one(f"SELECT attempts FROM work_items WHERE id = {failing.id}") == attempts


def test_each_attempt_that_failed_so_is_given_back(database: JobDatabase) -> None:
    """An item may be tried again, in another process, before its endpoint is known to be away."""
    job = database.job()
    database.enqueue(job, {"a": "Oil fell."}, Task.NER)
    for attempts in (1, 2):
        (item,) = database.take(job)
        fail(database, item)
        assert database.one("SELECT attempts FROM work_items") == attempts
    go_away(database)
    assert database.one("SELECT attempts FROM work_items") == 0


def test_a_failure_that_is_recorded_just_then_is_given_back(database: JobDatabase) -> None:
    """In another process, of an endpoint of which nothing was known."""
    job = database.job()
    database.enqueue(job, {"a": "Oil fell."}, Task.NER)
    (item,) = database.take(job)
    error = TransientCallError("500")
    with ThreadPoolExecutor(1) as other:
        with database.engine.begin() as conn:
            assert not endpoints.was_away(conn, URL, 0)
            queue.retry(conn, item, 0.0, error, counts=True)
            queue.record_attempt(conn, item, error, model="m", endpoint=URL)
            going = other.submit(go_away, database)
            wait([going], timeout=0.5)
            assert not going.done(), "it waits for this transaction"
        going.result()
    assert database.one("SELECT attempts FROM work_items") == 0


def test_a_call_from_before_an_outage_may_fail_after_it(database: JobDatabase) -> None:
    """Its failure is told late: the endpoint is there, and the failure was not the item's."""
    target = Target(URL, "m", "0" * 16)
    late = Failure("transient", "500", tuple("abcdef"), outages=0)
    with database.engine.begin() as conn:
        targets.add(conn, target)
        assert not endpoints.was_away(conn, URL, 0)
    go_away(database)
    with database.engine.begin() as conn:
        assert endpoints.was_away(conn, URL, 0)
        endpoints.probed(conn, URL, None)
        trying = targets.find(conn, target)
        assert trying is not None
        assert trying.outages == 1
        targets.prove(conn, target, DEFAULT)
        assert endpoints.failed(conn, URL, late, certain=False)
        assert endpoints.failed(conn, URL, late, certain=True)
        assert endpoints.list_away(conn) == []
        assert endpoints.was_away(conn, URL, 0)
        assert not endpoints.was_away(conn, URL, 1)
        assert endpoints.failed(conn, URL, replace(late, outages=1), certain=False)
        assert len(endpoints.list_away(conn)) == 1
