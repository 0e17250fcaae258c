"""What becomes of the items of lost workers."""

from __future__ import annotations

from support.job_database import JobDatabase

from ruie.db import job_states, queue
from ruie.errors import TransientCallError


class TestReap:
    def test_an_expired_lease_goes_back_and_its_old_holder_writes_nothing(
        self, database: JobDatabase
    ) -> None:
        job = database.job()
        database.enqueue(job, ["a"])
        (old,) = database.take(ttl_s=60)
        database.pass_time(61)
        with database.engine.begin() as conn:
            assert queue.reap(conn, 3) == (1, 0)
        # The fence rose with the reaping: not even before the next lease may it write.
        assert not database.save(old)
        (new,) = database.take()
        assert (new.id, new.losses, new.attempts) == (old.id, 1, 2)
        with database.engine.begin() as conn:
            assert not queue.retry(conn, old, 0, TransientCallError("x"), counts=True)
            assert not queue.quarantine(conn, old, TransientCallError("x"))
            assert not queue.release(conn, [old])
        assert not database.save(old)
        assert database.states(job) == ["leased"]
        assert database.one("SELECT COUNT(*) FROM extractions") == 0
        assert database.save(new)

    def test_a_living_lease_stays(self, database: JobDatabase) -> None:
        database.enqueue(database.job(), ["a"])
        database.take()
        with database.engine.begin() as conn:
            assert queue.reap(conn, 3) == (0, 0)

    def test_the_document_that_kills_its_worker_is_found_and_the_rest_finish(
        self, database: JobDatabase
    ) -> None:
        job = database.job()
        database.enqueue(job, [f"text {n}" for n in range(8)] + ["poison"])
        sizes = []
        while "pending" in database.states(job):
            for batch in database.dispatch(size=9):
                items = database.lease(batch.id)
                sizes.append(len(items))
                if all(item.text != "poison" for item in items):
                    for item in items:
                        database.save(item)
            database.pass_time(61)
            with database.engine.begin() as conn:
                queue.reap(conn, 3)
        assert database.states(job) == ["done"] * 8 + ["quarantined"]
        assert sizes == [9, 4, 4, 1, 1]
        assert database.rows("SELECT error_class, attempts FROM quarantine") == [("worker_lost", 3)]

    def test_what_comes_back_to_a_cancelled_job_is_cancelled(self, database: JobDatabase) -> None:
        job = database.job()
        database.enqueue(job, ["a", "b", "c"])
        first, second, _ = database.take()
        with database.engine.begin() as conn:
            job_states.set_job_state(conn, job, "cancelled")
        assert database.save(first)  # it was paid for, and is kept
        with database.engine.begin() as conn:
            queue.release(conn, [second])
        database.pass_time(61)
        with database.engine.begin() as conn:
            queue.reap(conn, 3)
        assert database.states(job) == ["done", "cancelled", "cancelled"]
