"""The accounts: what is reserved, settled, refunded, lost with a worker, and never overdrawn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.job_database import JobDatabase

from ruie.db import job_states, jobs, queue, reservations, spend
from ruie.errors import TransientCallError
from ruie.records import Task
from ruie.usage import Usage

TEXTS = [f"Crude fell {n} %." for n in range(12)]


def reserve(
    database: JobDatabase,
    job: str,
    wanted: list[tuple[queue.LeasedItem, int]],
    day_cap: int | None = None,
) -> tuple[dict[int, spend.Reservation], reservations.Denied | None]:
    with database.engine.begin() as conn:
        return reservations.reserve(conn, job, wanted, day_cap)


def committed(database: JobDatabase, account: str) -> int:
    with database.engine.connect() as conn:
        return spend.committed_nusd(conn, account)


def today(database: JobDatabase) -> str:
    with database.engine.connect() as conn:
        return spend.today(conn)


def settle(
    database: JobDatabase, item: queue.LeasedItem, held: spend.Reservation, cost: int
) -> None:
    assert database.save(item)
    with database.engine.begin() as conn:
        spend.settle(conn, item.job_id, held, cost)


def test_as_many_are_reserved_as_there_is_room_for(database: JobDatabase) -> None:
    job = database.job(cap_nusd=1000)
    database.enqueue(job, TEXTS)
    items = database.take()
    held, denied = reserve(database, job, [(item, 300) for item in items])
    assert list(held) == [item.id for item in items[:3]]
    assert denied == reservations.Denied("job_cap", 1000, 900, certain=False)
    assert committed(database, job) == committed(database, today(database)) == 900


def test_what_was_not_used_can_be_reserved_again(database: JobDatabase) -> None:
    job = database.job(cap_nusd=1000)
    database.enqueue(job, TEXTS)
    items = database.take()
    held, _ = reserve(database, job, [(item, 400) for item in items])
    for item in items[:2]:
        settle(database, item, held[item.id], 100)
    assert committed(database, job) == 200
    held, denied = reserve(database, job, [(item, 400) for item in items[2:]])
    assert len(held) == 2
    assert denied is not None
    # nothing is in flight any more and a call does not fit: no refund is to be waited for
    for item in items[2:4]:
        settle(database, item, held[item.id], 350)
    assert committed(database, job) == 900
    held, denied = reserve(database, job, [(item, 400) for item in items[4:]])
    assert held == {}
    assert denied == reservations.Denied("job_cap", 1000, 900, certain=True)


def test_the_day_has_a_cap_for_all_jobs(database: JobDatabase) -> None:
    first, second = database.job(), database.job()
    for job in (first, second):
        database.enqueue(job, {f"{job}{n}": f"{job} {text}" for n, text in enumerate(TEXTS)})
    a, b = database.take(first), database.take(second)
    reserve(database, first, [(a[0], 600)], 1000)
    held, denied = reserve(database, second, [(b[0], 300), (b[1], 300)], 1000)
    assert len(held) == 1
    assert denied is not None
    assert denied.by == "day_cap"
    assert committed(database, second) == 300


def test_a_lost_worker_s_reservation_counts_as_spent(database: JobDatabase) -> None:
    job = database.job(cap_nusd=1000)
    database.enqueue(job, TEXTS[:2])
    items = database.take(ttl_s=0.0)
    reserve(database, job, [(items[0], 700)])
    with database.engine.begin() as conn:
        assert queue.reap(conn, 3) == (2, 0)
    assert committed(database, job) == 700
    kept = database.rows("SELECT error_class, model, attempt FROM attempts ORDER BY work_item_id")
    assert kept == [("worker_lost", "small", 1)] * 2
    assert float(database.one("SELECT SUM(cost_usd) FROM attempts")) == pytest.approx(700e-9)
    # and its former worker reserves nothing any more
    held, denied = reserve(database, job, [(items[0], 100)])
    assert (held, denied) == ({}, None)


def test_many_at_once_never_overdraw(database: JobDatabase) -> None:
    job = database.job(cap_nusd=10_000)
    database.enqueue(job, {str(n): f"Crude fell {n} %." for n in range(200)})
    items = database.take()

    def work(part: list[queue.LeasedItem]) -> int:
        spent = 0
        for item in part:
            held, _ = reserve(database, job, [(item, 500)])
            assert committed(database, job) <= 10_000
            if item.id in held:
                settle(database, item, held[item.id], 120)
                spent += 120
        return spent

    with ThreadPoolExecutor(4) as pool:
        spent = sum(pool.map(work, [items[n::4] for n in range(4)]))
    assert committed(database, job) == spent <= 10_000
    assert spent > 9_000


def test_the_day_s_jobs_resume_when_there_is_room(database: JobDatabase) -> None:
    job, other = database.job(), database.job()
    database.enqueue(job, TEXTS[:1])
    reserve(database, job, [(database.take()[0], 990)])
    with database.engine.begin() as conn:
        job_states.set_job_state(conn, job, "paused", "full", by="day_cap")
        job_states.set_job_state(conn, other, "paused", "by hand")
        assert spend.resume_within_caps(conn, 1000) == []
        assert spend.resume_within_caps(conn, 2000) == [job]
        assert jobs.get_job(conn, job).paused_by is None
        assert jobs.get_job(conn, other).state == "paused"


@pytest.mark.parametrize(
    ("by", "cap", "state"),
    [("job_cap", 2000, "running"), ("job_cap", None, "running"), ("job_cap", 900, "paused"),
     ("person", 2000, "paused")],
)  # fmt: skip  # a table
def test_a_higher_cap_resumes_a_job_that_stopped_at_its_cap(
    database: JobDatabase, by: Any, cap: int | None, state: str
) -> None:
    job = database.job(cap_nusd=1000)
    with database.engine.begin() as conn:
        job_states.set_job_state(conn, job, "paused", "full", by=by)
        assert job_states.set_cap(conn, job, cap).state == state


def test_spend_by_day_counts_what_failed_too(database: JobDatabase) -> None:
    job = database.job()
    database.enqueue(job, TEXTS[:2], Task.NER)
    good, bad = database.take()
    database.save(good, cost_usd=0.25)
    with database.engine.begin() as conn:
        error, longer = TransientCallError("no answer"), queue.Overrides(max_tokens=512)
        queue.record_attempt(
            conn, bad, error, model="small", endpoint="http://llm", usage=Usage(7), cost_usd=0.5
        )
        assert queue.retry(conn, bad, 0.0, error, counts=True, overrides=longer)
    assert database.rows(
        "SELECT model, calls, failed_calls, prompt_tokens, completion_tokens, cost_usd"
        " FROM spend_by_day"
    ) == [("small", 1, 1, 107, 10, 0.75)]
    (again,) = database.take()
    assert (again.id, again.overrides) == (bad.id, longer)


def test_items_for_which_a_cap_left_no_room_come_back_later(database: JobDatabase) -> None:
    job = database.job()
    database.enqueue(job, TEXTS[:2])
    items = database.take()
    with database.engine.begin() as conn:
        assert queue.release(conn, items, 30.0) == {item.id for item in items}
    assert database.take() == []
    database.pass_time(31)
    again = database.take()
    assert [item.attempts for item in again] == [1, 1]


def test_a_batch_is_deferred_when_another_class_waits(database: JobDatabase) -> None:
    backfill, live = database.job(priority=-1), database.job(priority=1)
    database.enqueue(backfill, {"a": "Crude fell."})
    (batch,) = database.dispatch(backfill)
    with database.engine.begin() as conn:
        assert not queue.class_waits(conn, [0, 1])
    database.enqueue(live, {"b": "Crude rose."})
    database.dispatch(live)
    with database.engine.begin() as conn:
        assert queue.class_waits(conn, [0, 1])
        assert queue.classes(conn) == [1, -1]
        assert queue.in_flight(conn) == {1: 1, -1: 1}
        queue.defer_batch(conn, batch.id, 5.0)
    assert database.dispatch(backfill) == []
    database.pass_time(6)
    assert len(database.dispatch(backfill)) == 1
