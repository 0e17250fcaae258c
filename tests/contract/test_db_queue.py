"""The work items' life: dispatch, lease, and every way a lease ends."""

from __future__ import annotations

import pytest
from support.job_database import JobDatabase
from support.threads import together

from ruie.db import job_states, jobs, quarantine, queue
from ruie.db.models import work_items
from ruie.errors import OutputError, TransientCallError
from ruie.records import Task


class TestDispatch:
    def test_batches_are_of_one_job_and_of_the_size_asked_for(self, database: JobDatabase) -> None:
        first, second = database.job(), database.job()
        database.enqueue(first, ["a", "b", "c"])
        database.enqueue(second, ["d"])
        batches = database.dispatch(size=2)
        assert [(b.job_id, b.items) for b in batches] == [(first, 2), (first, 1), (second, 1)]
        assert database.dispatch() == []
        with database.engine.connect() as conn:
            assert queue.in_flight(conn) == {0: 4}

    def test_the_limit_holds_and_the_oldest_go_first(self, database: JobDatabase) -> None:
        job = database.job()
        database.enqueue(job, ["a", "b", "c"])
        (batch,) = database.dispatch(limit=2)
        assert [item.text for item in database.lease(batch.id)] == ["a", "b"]

    def test_a_higher_priority_goes_first(self, database: JobDatabase) -> None:
        low, high = database.job(), database.job(priority=5)
        database.enqueue(low, ["a"])
        database.enqueue(high, ["b"])
        assert [b.job_id for b in database.dispatch(limit=1)] == [high]
        assert [b.job_id for b in database.dispatch(low)] == [low]

    def test_a_message_that_nobody_took_is_sent_again(self, database: JobDatabase) -> None:
        database.enqueue(database.job(), ["a"])
        (lost,) = database.dispatch(ttl_s=60)
        database.pass_time(61)
        (again,) = database.dispatch()
        assert again.id != lost.id
        assert database.lease(lost.id) == []
        assert len(database.lease(again.id)) == 1

    def test_when_redis_lost_everything_everything_sent_is_forgotten(
        self, database: JobDatabase
    ) -> None:
        database.enqueue(database.job(), ["a", "b"])
        first, _ = database.dispatch(size=1)
        database.lease(first.id)
        with database.engine.begin() as conn:
            assert queue.undispatch(conn) == 1
            assert queue.in_flight(conn) == {0: 1}
        assert [b.items for b in database.dispatch()] == [1]

    def test_paused_jobs_wait(self, database: JobDatabase) -> None:
        job = database.job()
        database.enqueue(job, ["a"])
        with database.engine.begin() as conn:
            job_states.set_job_state(conn, job, "paused", "by hand")
        assert database.dispatch() == []
        with database.engine.begin() as conn:
            job_states.set_job_state(conn, job, "running")
        assert len(database.dispatch()) == 1


class TestLease:
    def test_an_item_has_all_that_its_call_needs(self, database: JobDatabase) -> None:
        job = database.job()
        database.enqueue(job, {"a": "Crude fell."}, Task.RE)
        (item,) = database.take()
        assert (item.job_id, item.task, item.text) == (job, Task.RE, "Crude fell.")
        assert (item.chunk_start, item.attempts, item.losses, item.fence) == (0, 1, 0, 1)
        assert item.trigger is None

    def test_a_second_delivery_of_the_message_leases_nothing(self, database: JobDatabase) -> None:
        database.enqueue(database.job(), ["a", "b"])
        (batch,) = database.dispatch()
        assert len(database.lease(batch.id)) == 2
        assert database.lease(batch.id, "worker-2") == []

    def test_two_workers_at_once_share_nothing(self, database: JobDatabase) -> None:
        database.enqueue(database.job(), [f"text {n}" for n in range(40)])
        (batch,) = database.dispatch(size=40)
        got: list[list[queue.LeasedItem]] = []
        together(*[lambda: got.append(database.lease(batch.id)) for _ in range(4)])
        ids = [item.id for items in got for item in items]
        assert len(ids) == len(set(ids)) == 40

    def test_what_was_sent_before_a_pause_is_sent_again_at_once(
        self, database: JobDatabase
    ) -> None:
        job = database.job()
        database.enqueue(job, ["a", "b"])
        (early,) = database.dispatch(ttl_s=120)
        with database.engine.begin() as conn:
            job_states.set_job_state(conn, job, "paused")
        assert database.lease(early.id) == []  # its message is gone with that
        with database.engine.begin() as conn:
            job_states.set_job_state(conn, job, "running")
        (again,) = database.dispatch()
        assert database.lease(early.id) == []
        assert len(database.lease(again.id)) == 2

    def test_a_job_paused_after_sending_is_not_leased(self, database: JobDatabase) -> None:
        job = database.job()
        database.enqueue(job, ["a"])
        (batch,) = database.dispatch()
        with database.engine.begin() as conn:
            job_states.set_job_state(conn, job, "paused")
        assert database.lease(batch.id) == []

    def test_renewing_keeps_what_is_held_and_says_what_is_not(self, database: JobDatabase) -> None:
        database.enqueue(database.job(), ["a", "b"])
        kept, ended = database.take(ttl_s=60)
        database.save(ended)
        with database.engine.begin() as conn:
            assert queue.renew(conn, "worker-1", [kept, ended], 120) == {kept.id}
            assert queue.renew(conn, "worker-2", [kept], 120) == set()
            assert queue.renew(conn, "worker-1", [], 120) == set()
        database.pass_time(61)
        with database.engine.begin() as conn:
            assert queue.reap(conn, 3) == (0, 0)

    def test_a_later_lease_of_the_same_worker_is_another_lease(self, database: JobDatabase) -> None:
        """A worker that was too busy to renew may be given the same item again."""
        database.enqueue(database.job(), ["a"])
        (old,) = database.take(ttl_s=60)
        database.pass_time(61)
        with database.engine.begin() as conn:
            assert queue.reap(conn, 3) == (1, 0)
        (new,) = database.take(ttl_s=60)
        with database.engine.begin() as conn:
            assert queue.renew(conn, "worker-1", [old], 120) == set()
            assert queue.renew(conn, "worker-1", [new], 120) == {new.id}

    def test_given_back_unharmed(self, database: JobDatabase) -> None:
        database.enqueue(database.job(), ["a"])
        (item,) = database.take()
        with database.engine.begin() as conn:
            assert queue.release(conn, [item]) == {item.id}
            assert not queue.release(conn, [item])
        (again,) = database.take()
        assert (again.attempts, again.fence) == (1, 2)


class TestRetryAndQuarantine:
    def test_a_retry_waits_for_its_time_in_the_database(self, database: JobDatabase) -> None:
        job = database.job()
        database.enqueue(job, ["a"])
        (item,) = database.take()
        with database.engine.begin() as conn:
            assert queue.retry(conn, item, 30, TransientCallError("timed out"), counts=True)
        assert database.states(job) == ["retry"]
        assert database.dispatch() == []
        database.pass_time(31)
        (again,) = database.take()
        assert again.attempts == 2
        assert database.rows("SELECT error_class, error FROM work_items") == [
            ("transient", "timed out")
        ]

    def test_being_limited_uses_up_no_attempt(self, database: JobDatabase) -> None:
        database.enqueue(database.job(), ["a"])
        (item,) = database.take()
        with database.engine.begin() as conn:
            queue.retry(conn, item, 0, TransientCallError("429"), counts=False)
        (again,) = database.take()
        assert again.attempts == 1

    def test_quarantine_keeps_what_is_known(self, database: JobDatabase) -> None:
        job = database.job()
        database.enqueue(job, ["a"])
        (item,) = database.take()
        prompt = [{"role": "user", "content": "石 \ud800"}]
        with database.engine.begin() as conn:
            error = OutputError("nothing to read")
            assert queue.quarantine(conn, item, error, raw_output="\x00?", prompt=prompt)
            assert not queue.quarantine(conn, item, error)
        assert database.states(job) == ["quarantined"]
        assert database.rows("SELECT error_class, error, raw_output, attempts FROM quarantine") == [
            ("output", "nothing to read", "\ufffd?", 1)
        ]

    def test_the_quarantined_can_be_sent_again(self, database: JobDatabase) -> None:
        job = database.job()
        database.enqueue(job, ["a", "b"])
        with database.engine.begin() as conn:
            jobs.finish_enqueueing(conn, job)
        first, second = database.take()
        with database.engine.begin() as conn:
            queue.quarantine(conn, first, OutputError("x"))
            queue.quarantine(conn, second, TransientCallError("y"))
            assert job_states.close_jobs(conn) == [job]
            assert quarantine.retry_quarantined(conn, job, "output") == 1
            assert jobs.get_job(conn, job).state == "running"
        (again,) = database.take()
        assert (again.id, again.attempts) == (first.id, 1)
        assert database.one("SELECT COUNT(*) FROM quarantine") == 1


class TestCloseJobs:
    def test_a_job_is_done_when_all_is_in_and_nothing_is_open(self, database: JobDatabase) -> None:
        job = database.job()
        database.enqueue(job, ["a"])
        (item,) = database.take()
        with database.engine.begin() as conn:
            assert job_states.close_jobs(conn) == []
        database.save(item)
        with database.engine.begin() as conn:
            assert job_states.close_jobs(conn) == []  # documents may still come
            jobs.finish_enqueueing(conn, job)
            assert job_states.close_jobs(conn) == [job]
            assert job_states.close_jobs(conn) == []
            assert jobs.get_job(conn, job).finished_at is not None

    def test_it_is_known_beforehand_whether_one_can_be_closed(self, database: JobDatabase) -> None:
        def waiting() -> job_states.WaitingJobs:
            with database.engine.connect() as conn:
                return job_states.waiting_jobs(conn)

        job = database.job()
        database.enqueue(job, ["a"])
        assert waiting() == (None, False)
        with database.engine.begin() as conn:
            jobs.finish_enqueueing(conn, job)
            enqueued_at = jobs.get_job(conn, job).enqueued_at
        assert waiting() == (enqueued_at, False)
        (item,) = database.take()
        assert waiting() == (enqueued_at, False)
        database.save(item)
        assert waiting() == (enqueued_at, True)
        with database.engine.begin() as conn:
            job_states.close_jobs(conn)
        assert waiting() == (None, False)


def test_no_moment_comes_from_this_machine(
    database: JobDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hosts' clocks may be an hour apart: the queue works all the same."""
    import time

    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + 3600)
    database.enqueue(database.job(), ["a"])
    before = clock()
    (item,) = database.take(ttl_s=60)
    after = clock()
    with database.engine.begin() as conn:
        assert queue.reap(conn, 3) == (0, 0)
        expires = conn.execute(work_items.select()).one().lease_expires
    assert before + 59 <= expires.timestamp() <= after + 61
    assert database.save(item)


def test_the_first_workers_bundle_stays_the_jobs(database: JobDatabase) -> None:
    job, other = database.job(), database.job("another")
    assert database.one(f"SELECT bundle_digest FROM jobs WHERE id = '{job}'") == ""
    with database.engine.begin() as conn:
        jobs.record_bundle(conn, job, "a" * 64)
        jobs.record_bundle(conn, job, "b" * 64)
        assert jobs.get_job(conn, job).bundle_digest == "a" * 64
        assert jobs.get_job(conn, other).bundle_digest == ""
