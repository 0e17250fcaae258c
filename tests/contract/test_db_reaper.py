"""What becomes of the items of lost workers."""

from __future__ import annotations

from support.house import House

from ruie.db import job_states, queue
from ruie.errors import TransientCallError


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
