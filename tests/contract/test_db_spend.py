"""The accounts: what is reserved, settled, refunded, lost with a worker, and never overdrawn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.house import House

from ruie.db import job_states, jobs, queue, spend
from ruie.errors import TransientCallError
from ruie.records import Task

TEXTS = [f"Crude fell {n} %." for n in range(12)]


def reserve(
    house: House, job: str, wanted: list[tuple[queue.LeasedItem, int]], day_cap: int | None = None
) -> tuple[dict[int, spend.Reservation], spend.Denied | None]:
    with house.engine.begin() as conn:
        return spend.reserve(conn, job, wanted, day_cap)


def committed(house: House, account: str) -> int:
    with house.engine.connect() as conn:
        return spend.committed_nusd(conn, account)


def today(house: House) -> str:
    with house.engine.connect() as conn:
        return spend.today(conn)


def settle(house: House, item: queue.LeasedItem, held: spend.Reservation, cost: int) -> None:
    assert house.save(item)
    with house.engine.begin() as conn:
        spend.settle(conn, item.job_id, held, cost)


def test_as_many_are_reserved_as_there_is_room_for(house: House) -> None:
    job = house.job(cap_nusd=1000)
    house.enqueue(job, TEXTS)
    items = house.take()
    held, denied = reserve(house, job, [(item, 300) for item in items])
    assert list(held) == [item.id for item in items[:3]]
    assert denied == spend.Denied("job_cap", 1000, 900, certain=False)
    assert committed(house, job) == committed(house, today(house)) == 900


def test_what_was_not_used_can_be_reserved_again(house: House) -> None:
    job = house.job(cap_nusd=1000)
    house.enqueue(job, TEXTS)
    items = house.take()
    held, _ = reserve(house, job, [(item, 400) for item in items])
    for item in items[:2]:
        settle(house, item, held[item.id], 100)
    assert committed(house, job) == 200
    held, denied = reserve(house, job, [(item, 400) for item in items[2:]])
    assert len(held) == 2
    assert denied is not None
    # nothing is in flight any more and a call does not fit: no refund is to be waited for
    for item in items[2:4]:
        settle(house, item, held[item.id], 350)
    assert committed(house, job) == 900
    held, denied = reserve(house, job, [(item, 400) for item in items[4:]])
    assert held == {}
    assert denied == spend.Denied("job_cap", 1000, 900, certain=True)


def test_the_day_has_a_cap_for_all_jobs(house: House) -> None:
    first, second = house.job(), house.job()
    for job in (first, second):
        house.enqueue(job, {f"{job}{n}": f"{job} {text}" for n, text in enumerate(TEXTS)})
    a, b = house.take(first), house.take(second)
    reserve(house, first, [(a[0], 600)], 1000)
    held, denied = reserve(house, second, [(b[0], 300), (b[1], 300)], 1000)
    assert len(held) == 1
    assert denied is not None
    assert denied.by == "day_cap"
    assert committed(house, second) == 300


def test_a_lost_worker_s_reservation_counts_as_spent(house: House) -> None:
    job = house.job(cap_nusd=1000)
    house.enqueue(job, TEXTS[:2])
    items = house.take(ttl_s=0.0)
    reserve(house, job, [(items[0], 700)])
    with house.engine.begin() as conn:
        assert queue.reap(conn, 3) == (2, 0)
    assert committed(house, job) == 700
    kept = house.rows("SELECT error_class, model, attempt FROM attempts ORDER BY work_item_id")
    assert kept == [("worker_lost", "small", 1)] * 2
    assert float(house.one("SELECT SUM(cost_usd) FROM attempts")) == pytest.approx(700e-9)
    # and its former worker reserves nothing any more
    held, denied = reserve(house, job, [(items[0], 100)])
    assert (held, denied) == ({}, None)


def test_many_at_once_never_overdraw(house: House) -> None:
    job = house.job(cap_nusd=10_000)
    house.enqueue(job, {str(n): f"Crude fell {n} %." for n in range(200)})
    items = house.take()

    def work(part: list[queue.LeasedItem]) -> int:
        spent = 0
        for item in part:
            held, _ = reserve(house, job, [(item, 500)])
            assert committed(house, job) <= 10_000
            if item.id in held:
                settle(house, item, held[item.id], 120)
                spent += 120
        return spent

    with ThreadPoolExecutor(4) as pool:
        spent = sum(pool.map(work, [items[n::4] for n in range(4)]))
    assert committed(house, job) == spent <= 10_000
    assert spent > 9_000


def test_the_day_s_jobs_resume_when_there_is_room(house: House) -> None:
    job, other = house.job(), house.job()
    house.enqueue(job, TEXTS[:1])
    reserve(house, job, [(house.take()[0], 990)])
    with house.engine.begin() as conn:
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
    house: House, by: Any, cap: int | None, state: str
) -> None:
    job = house.job(cap_nusd=1000)
    with house.engine.begin() as conn:
        job_states.set_job_state(conn, job, "paused", "full", by=by)
        assert job_states.set_cap(conn, job, cap).state == state


def test_spend_by_day_counts_what_failed_too(house: House) -> None:
    job = house.job()
    house.enqueue(job, TEXTS[:2], Task.NER)
    good, bad = house.take()
    house.save(good, cost_usd=0.25)
    with house.engine.begin() as conn:
        error, longer = TransientCallError("no answer"), queue.Overrides(max_tokens=512)
        queue.record_attempt(
            conn, bad, error, model="small", endpoint="http://llm", tokens=(7, 0), cost_usd=0.5
        )
        assert queue.retry(conn, bad, 0.0, error, counts=True, overrides=longer)
    assert house.rows(
        "SELECT model, calls, failed_calls, prompt_tokens, completion_tokens, cost_usd"
        " FROM spend_by_day"
    ) == [("small", 1, 1, 107, 10, 0.75)]
    (again,) = house.take()
    assert (again.id, again.overrides) == (bad.id, longer)


def test_items_for_which_a_cap_left_no_room_come_back_later(house: House) -> None:
    job = house.job()
    house.enqueue(job, TEXTS[:2])
    items = house.take()
    with house.engine.begin() as conn:
        assert queue.release(conn, items, 30.0) == 2
    assert house.take() == []
    house.pass_time(31)
    again = house.take()
    assert [item.attempts for item in again] == [1, 1]


def test_a_batch_is_deferred_when_another_class_waits(house: House) -> None:
    backfill, live = house.job(priority=-1), house.job(priority=1)
    house.enqueue(backfill, {"a": "Crude fell."})
    (batch,) = house.dispatch(backfill)
    with house.engine.begin() as conn:
        assert not queue.other_class_waits(conn, -1)
    house.enqueue(live, {"b": "Crude rose."})
    house.dispatch(live)
    with house.engine.begin() as conn:
        assert queue.other_class_waits(conn, -1)
        assert queue.classes(conn) == [1, -1]
        assert queue.in_flight(conn) == {1: 1, -1: 1}
        queue.defer_batch(conn, batch.id, 5.0)
    assert house.dispatch(backfill) == []
    house.pass_time(6)
    assert len(house.dispatch(backfill)) == 1
