"""The work items' life: enqueue, dispatch, lease, and every way a lease ends."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from support.house import House

from ruie.db import job_states, jobs, quarantine, queue
from ruie.db.models import work_items
from ruie.db.types import storable
from ruie.errors import DatabaseError, OutputError, TransientCallError, UsageError
from ruie.records import Task


class TestEnqueue:
    def test_a_document_has_an_origin_a_chunk_and_an_item_for_each_task(self, house: House) -> None:
        job = house.job()
        counts = house.enqueue(
            job, {"a": "Crude fell.", "b": "Naïve 石油 rose."}, Task.NER, Task.RE
        )
        assert counts == queue.EnqueueCounts(2, 0, (), 2, 4)
        assert house.rows("SELECT chars FROM documents ORDER BY chars") == [(11,), (14,)]
        assert house.rows("SELECT external_id, source, line FROM origins ORDER BY id") == [
            ("a", "news.jsonl", 1),
            ("b", "news.jsonl", 2),
        ]
        whole = house.rows("SELECT char_start, char_end FROM chunks ORDER BY char_end")
        assert whole == [(0, 11), (0, 14)]
        assert house.states(job) == ["pending"] * 4

    def test_the_same_again_adds_nothing(self, house: House) -> None:
        job = house.job()
        house.enqueue(job, ["one", "two"])
        assert house.enqueue(job, ["one", "two", "three"]) == queue.EnqueueCounts(1, 2, (), 1, 1)
        assert house.one("SELECT COUNT(*) FROM work_items") == 3

    def test_an_id_that_comes_twice_is_reported_and_the_first_stays(self, house: House) -> None:
        job = house.job()
        rows = [queue.NewDocument(t, "x", "f", n) for n, t in enumerate(("one", "two"), 1)]
        with house.engine.begin() as conn:
            counts = queue.enqueue_documents(conn, job, rows, [Task.NER])
        assert (counts.added, counts.known, counts.duplicates) == (1, 0, (1,))
        assert house.rows("SELECT text FROM documents") == [("one",)]

    def test_one_text_from_two_places_is_one_document_with_two_origins(self, house: House) -> None:
        first, second = house.job(), house.job()
        counts = house.enqueue(first, {"a": "same", "b": "same"})
        assert (counts.added, counts.new_documents, counts.new_items) == (2, 1, 1)
        again = house.enqueue(second, {"c": "same"})
        assert (again.added, again.new_documents, again.new_items) == (1, 0, 1)
        assert house.one("SELECT COUNT(*) FROM origins") == 3

    def test_what_no_database_can_hold_is_replaced_and_offsets_hold(self, house: House) -> None:
        job = house.job()
        house.enqueue(job, {"a": "a\x00b \ud800 石"})
        (item,) = house.take()
        assert item.text == "a\ufffdb \ufffd 石" == storable("a\x00b \ud800 石")

    def test_a_job_that_ended_takes_no_documents(self, house: House) -> None:
        job = house.job()
        with house.engine.begin() as conn:
            job_states.set_job_state(conn, job, "cancelled")
        with pytest.raises(DatabaseError, match="is cancelled"):
            house.enqueue(job, ["x"])
        with pytest.raises(DatabaseError, match="does not exist"):
            house.enqueue("job_none", ["x"])

    def test_eae_follows_ed_and_is_not_enqueued(self, house: House) -> None:
        with pytest.raises(UsageError):
            house.enqueue(house.job(), ["x"], Task.EAE)

    def test_two_writers_of_the_same_texts_make_each_once(self, house: House) -> None:
        texts = {str(n): f"text {n}" for n in range(300)}
        made = [house.job(), house.job()]
        together(
            lambda: house.enqueue(made[0], texts),
            lambda: house.enqueue(made[1], dict(reversed(texts.items()))),
        )
        assert house.one("SELECT COUNT(*) FROM documents") == 300
        assert house.one("SELECT COUNT(*) FROM work_items") == 600


class TestDispatch:
    def test_batches_are_of_one_job_and_of_the_size_asked_for(self, house: House) -> None:
        first, second = house.job(), house.job()
        house.enqueue(first, ["a", "b", "c"])
        house.enqueue(second, ["d"])
        batches = house.dispatch(size=2)
        assert [(b.job_id, b.items) for b in batches] == [(first, 2), (first, 1), (second, 1)]
        assert house.dispatch() == []
        with house.engine.connect() as conn:
            assert queue.in_flight(conn) == {0: 4}

    def test_the_limit_holds_and_the_oldest_go_first(self, house: House) -> None:
        job = house.job()
        house.enqueue(job, ["a", "b", "c"])
        (batch,) = house.dispatch(limit=2)
        assert [item.text for item in house.lease(batch.id)] == ["a", "b"]

    def test_a_higher_priority_goes_first(self, house: House) -> None:
        low, high = house.job(), house.job(priority=5)
        house.enqueue(low, ["a"])
        house.enqueue(high, ["b"])
        assert [b.job_id for b in house.dispatch(limit=1)] == [high]
        assert [b.job_id for b in house.dispatch(low)] == [low]

    def test_a_message_that_nobody_took_is_sent_again(self, house: House) -> None:
        house.enqueue(house.job(), ["a"])
        (lost,) = house.dispatch(ttl_s=60)
        house.pass_time(61)
        (again,) = house.dispatch()
        assert again.id != lost.id
        assert house.lease(lost.id) == []
        assert len(house.lease(again.id)) == 1

    def test_when_redis_lost_everything_everything_sent_is_forgotten(self, house: House) -> None:
        house.enqueue(house.job(), ["a", "b"])
        first, _ = house.dispatch(size=1)
        house.lease(first.id)
        with house.engine.begin() as conn:
            assert queue.undispatch(conn) == 1
            assert queue.in_flight(conn) == {0: 1}
        assert [b.items for b in house.dispatch()] == [1]

    def test_paused_jobs_wait(self, house: House) -> None:
        job = house.job()
        house.enqueue(job, ["a"])
        with house.engine.begin() as conn:
            job_states.set_job_state(conn, job, "paused", "by hand")
        assert house.dispatch() == []
        with house.engine.begin() as conn:
            job_states.set_job_state(conn, job, "running")
        assert len(house.dispatch()) == 1


class TestLease:
    def test_an_item_has_all_that_its_call_needs(self, house: House) -> None:
        job = house.job()
        house.enqueue(job, {"a": "Crude fell."}, Task.RE)
        (item,) = house.take()
        assert (item.job_id, item.task, item.text) == (job, Task.RE, "Crude fell.")
        assert (item.chunk_start, item.attempts, item.losses, item.fence) == (0, 1, 0, 1)
        assert item.trigger is None

    def test_a_second_delivery_of_the_message_leases_nothing(self, house: House) -> None:
        house.enqueue(house.job(), ["a", "b"])
        (batch,) = house.dispatch()
        assert len(house.lease(batch.id)) == 2
        assert house.lease(batch.id, "worker-2") == []

    def test_two_workers_at_once_share_nothing(self, house: House) -> None:
        house.enqueue(house.job(), [f"text {n}" for n in range(40)])
        (batch,) = house.dispatch(size=40)
        got: list[list[queue.LeasedItem]] = []
        together(*[lambda: got.append(house.lease(batch.id)) for _ in range(4)])
        ids = [item.id for items in got for item in items]
        assert len(ids) == len(set(ids)) == 40

    def test_a_job_paused_after_sending_is_not_leased(self, house: House) -> None:
        job = house.job()
        house.enqueue(job, ["a"])
        (batch,) = house.dispatch()
        with house.engine.begin() as conn:
            job_states.set_job_state(conn, job, "paused")
        assert house.lease(batch.id) == []

    def test_renewing_keeps_what_is_held_and_says_what_is_not(self, house: House) -> None:
        house.enqueue(house.job(), ["a", "b"])
        kept, ended = house.take(ttl_s=60)
        house.save(ended)
        with house.engine.begin() as conn:
            assert queue.renew(conn, "worker-1", [kept, ended], 120) == {kept.id}
            assert queue.renew(conn, "worker-2", [kept], 120) == set()
            assert queue.renew(conn, "worker-1", [], 120) == set()
        house.pass_time(61)
        with house.engine.begin() as conn:
            assert queue.reap(conn, 3) == (0, 0)

    def test_a_later_lease_of_the_same_worker_is_another_lease(self, house: House) -> None:
        """A worker that was too busy to renew may be given the same item again."""
        house.enqueue(house.job(), ["a"])
        (old,) = house.take(ttl_s=60)
        house.pass_time(61)
        with house.engine.begin() as conn:
            assert queue.reap(conn, 3) == (1, 0)
        (new,) = house.take(ttl_s=60)
        with house.engine.begin() as conn:
            assert queue.renew(conn, "worker-1", [old], 120) == set()
            assert queue.renew(conn, "worker-1", [new], 120) == {new.id}

    def test_given_back_unharmed(self, house: House) -> None:
        house.enqueue(house.job(), ["a"])
        (item,) = house.take()
        with house.engine.begin() as conn:
            assert queue.release(conn, [item]) == 1
            assert queue.release(conn, [item]) == 0
        (again,) = house.take()
        assert (again.attempts, again.fence) == (1, 2)


class TestRetryAndQuarantine:
    def test_a_retry_waits_for_its_time_in_the_database(self, house: House) -> None:
        job = house.job()
        house.enqueue(job, ["a"])
        (item,) = house.take()
        with house.engine.begin() as conn:
            assert queue.retry(conn, item, 30, TransientCallError("timed out"), counts=True)
        assert house.states(job) == ["retry"]
        assert house.dispatch() == []
        house.pass_time(31)
        (again,) = house.take()
        assert again.attempts == 2
        assert house.rows("SELECT error_class, error FROM work_items") == [
            ("transient", "timed out")
        ]

    def test_being_limited_uses_up_no_attempt(self, house: House) -> None:
        house.enqueue(house.job(), ["a"])
        (item,) = house.take()
        with house.engine.begin() as conn:
            queue.retry(conn, item, 0, TransientCallError("429"), counts=False)
        (again,) = house.take()
        assert again.attempts == 1

    def test_quarantine_keeps_what_is_known(self, house: House) -> None:
        job = house.job()
        house.enqueue(job, ["a"])
        (item,) = house.take()
        prompt = [{"role": "user", "content": "石 \ud800"}]
        with house.engine.begin() as conn:
            error = OutputError("nothing to read")
            assert queue.quarantine(conn, item, error, raw_output="\x00?", prompt=prompt)
            assert not queue.quarantine(conn, item, error)
        assert house.states(job) == ["quarantined"]
        assert house.rows("SELECT error_class, error, raw_output, attempts FROM quarantine") == [
            ("output", "nothing to read", "\ufffd?", 1)
        ]

    def test_the_quarantined_can_be_sent_again(self, house: House) -> None:
        job = house.job()
        house.enqueue(job, ["a", "b"])
        with house.engine.begin() as conn:
            jobs.finish_enqueueing(conn, job)
        first, second = house.take()
        with house.engine.begin() as conn:
            queue.quarantine(conn, first, OutputError("x"))
            queue.quarantine(conn, second, TransientCallError("y"))
            assert job_states.close_jobs(conn) == [job]
            assert quarantine.retry_quarantined(conn, job, "output") == 1
            assert jobs.get_job(conn, job).state == "running"
        (again,) = house.take()
        assert (again.id, again.attempts) == (first.id, 1)
        assert house.one("SELECT COUNT(*) FROM quarantine") == 1


class TestReap:
    def test_an_expired_lease_goes_back_and_its_old_holder_writes_nothing(
        self, house: House
    ) -> None:
        job = house.job()
        house.enqueue(job, ["a"])
        (old,) = house.take(ttl_s=60)
        house.pass_time(61)
        with house.engine.begin() as conn:
            assert queue.reap(conn, 3) == (1, 0)
        # The fence rose with the reaping: not even before the next lease may it write.
        assert not house.save(old)
        (new,) = house.take()
        assert (new.id, new.losses, new.attempts) == (old.id, 1, 2)
        with house.engine.begin() as conn:
            assert not queue.retry(conn, old, 0, TransientCallError("x"), counts=True)
            assert not queue.quarantine(conn, old, TransientCallError("x"))
            assert queue.release(conn, [old]) == 0
        assert not house.save(old)
        assert house.states(job) == ["leased"]
        assert house.one("SELECT COUNT(*) FROM extractions") == 0
        assert house.save(new)

    def test_a_living_lease_stays(self, house: House) -> None:
        house.enqueue(house.job(), ["a"])
        house.take()
        with house.engine.begin() as conn:
            assert queue.reap(conn, 3) == (0, 0)

    def test_the_document_that_kills_its_worker_is_found_and_the_rest_finish(
        self, house: House
    ) -> None:
        job = house.job()
        house.enqueue(job, [f"text {n}" for n in range(8)] + ["poison"])
        sizes = []
        while "pending" in house.states(job):
            for batch in house.dispatch(size=9):
                items = house.lease(batch.id)
                sizes.append(len(items))
                if all(item.text != "poison" for item in items):
                    for item in items:
                        house.save(item)
            house.pass_time(61)
            with house.engine.begin() as conn:
                queue.reap(conn, 3)
        assert house.states(job) == ["done"] * 8 + ["quarantined"]
        assert sizes == [9, 4, 4, 1, 1]
        assert house.rows("SELECT error_class, attempts FROM quarantine") == [("worker_lost", 3)]

    def test_what_comes_back_to_a_cancelled_job_is_cancelled(self, house: House) -> None:
        job = house.job()
        house.enqueue(job, ["a", "b", "c"])
        first, second, _ = house.take()
        with house.engine.begin() as conn:
            job_states.set_job_state(conn, job, "cancelled")
        assert house.save(first)  # it was paid for, and is kept
        with house.engine.begin() as conn:
            queue.release(conn, [second])
        house.pass_time(61)
        with house.engine.begin() as conn:
            queue.reap(conn, 3)
        assert house.states(job) == ["done", "cancelled", "cancelled"]


class TestCloseJobs:
    def test_a_job_is_done_when_all_is_in_and_nothing_is_open(self, house: House) -> None:
        job = house.job()
        house.enqueue(job, ["a"])
        (item,) = house.take()
        with house.engine.begin() as conn:
            assert job_states.close_jobs(conn) == []
        house.save(item)
        with house.engine.begin() as conn:
            assert job_states.close_jobs(conn) == []  # documents may still come
            jobs.finish_enqueueing(conn, job)
            assert job_states.close_jobs(conn) == [job]
            assert job_states.close_jobs(conn) == []
            assert jobs.get_job(conn, job).finished_at is not None


def test_no_moment_comes_from_this_machine(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hosts' clocks may be an hour apart: the queue works all the same."""
    import time

    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + 3600)
    house.enqueue(house.job(), ["a"])
    before = clock()
    (item,) = house.take(ttl_s=60)
    after = clock()
    with house.engine.begin() as conn:
        assert queue.reap(conn, 3) == (0, 0)
        expires = conn.execute(work_items.select()).one().lease_expires
    assert before + 59 <= expires.timestamp() <= after + 61
    assert house.save(item)


def together(*calls: Any) -> None:
    """Run the calls at once, each in a thread; the first error of any is raised."""
    barrier = threading.Barrier(len(calls))
    errors: list[BaseException] = []

    def run(call: Any) -> None:
        barrier.wait()
        try:
            call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]


def test_the_first_workers_bundle_stays_the_jobs(house: House) -> None:
    job, other = house.job(), house.job("another")
    assert house.one(f"SELECT bundle_digest FROM jobs WHERE id = '{job}'") == ""
    with house.engine.begin() as conn:
        jobs.record_bundle(conn, job, "a" * 64)
        jobs.record_bundle(conn, job, "b" * 64)
        assert jobs.get_job(conn, job).bundle_digest == "a" * 64
        assert jobs.get_job(conn, other).bundle_digest == ""
