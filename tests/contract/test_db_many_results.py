"""Results that are saved together: the same rows as one by one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from support.job_database import ROLES, JobDatabase
from support.waiting import PATIENCE_S, wait_until

from ruie.db import many_results, queue
from ruie.db.models import work_items
from ruie.records import Item, Task

MakeRecord = Callable[..., Item]
TEXT = "Crude fell 2 % as OPEC met."
TABLES = ("entities", "relations", "events", "extractions", "canonical", "work_items")


def results(
    database: JobDatabase, taken: list[queue.LeasedItem], record: MakeRecord
) -> list[many_results.Result]:
    found = {
        Task.NER: [record(TEXT, "COMMODITY", "Crude"), record(TEXT, "ORGANISATION", "OPEC")],
        Task.RE: [record(TEXT, "moved_by", "Crude", "OPEC")],
        Task.ED: [record(TEXT, "Movement", "fell"), record(TEXT, "Caused", "met")],
    }
    return [
        many_results.Result(
            item, database.extraction(f"{item.task}:{item.text}"), found[item.task], ROLES
        )
        for item in taken
    ]


def test_all_tasks_of_some_documents(database: JobDatabase, record: MakeRecord) -> None:
    job = database.job()
    database.enqueue(job, {"a": TEXT, "b": f"{TEXT} "}, Task.NER, Task.RE, Task.ED)
    wanted = results(database, database.take(), record)
    with database.engine.begin() as conn:
        saved = many_results.save_results(conn, wanted)
    assert saved == {result.item.lease for result in wanted}
    counts = {name: database.one(f"SELECT COUNT(*) FROM {name}") for name in TABLES}
    assert counts == {
        "entities": 4, "relations": 2, "events": 4, "extractions": 6, "canonical": 2,
        "work_items": 8,
    }  # fmt: skip  # six, and one for the arguments of each event that has roles
    assert database.states(job) == ["done"] * 6 + ["pending"] * 2


def test_whose_lease_was_lost_is_left_out(database: JobDatabase, record: MakeRecord) -> None:
    job = database.job()
    database.enqueue(job, {"a": TEXT, "b": f"{TEXT} "})
    wanted = results(database, database.take(), record)
    with database.engine.begin() as conn:
        queue.release(conn, [wanted[0].item])
        saved = many_results.save_results(conn, wanted)
    assert saved == {wanted[1].item.lease}
    assert database.states(job) == ["pending", "done"]
    assert database.one("SELECT COUNT(*) FROM extractions") == 1


def test_what_was_answered_meanwhile_is_linked(database: JobDatabase, record: MakeRecord) -> None:
    job, other = database.job(), database.job("other")
    database.enqueue(job, {"a": TEXT, "b": f"{TEXT} "})
    wanted = results(database, database.take(), record)
    database.enqueue(other, {"a": TEXT})
    (first,) = database.take(other)
    assert database.save(first, wanted[0].items, wanted[0].extraction.key)
    with database.engine.begin() as conn:
        saved = many_results.save_results(conn, wanted)
    assert len(saved) == 2
    assert database.states(job) == ["done", "done"]
    assert database.one("SELECT COUNT(*) FROM extractions") == 2
    assert database.one("SELECT error_class FROM attempts") == "answered_elsewhere"


def test_two_that_save_the_same_names_wait_for_each_other(
    database: JobDatabase, record: MakeRecord
) -> None:
    """And never deadlock, in whatever order their documents have them."""
    texts = {str(n): f"{TEXT} {n}" for n in range(40)}
    database.enqueue(database.job(), texts)
    taken = database.take()
    shares = [taken[:20], taken[20:]]

    def save(share: list[queue.LeasedItem], *, backwards: bool) -> int:
        wanted = [
            many_results.Result(
                item,
                database.extraction(item.text),
                [record(item.text, "COMMODITY", word) for word in order],
                ROLES,
            )
            for item in share
            for order in [TEXT.split()[:: -1 if backwards else 1]]
        ]
        with database.engine.begin() as conn:
            return len(many_results.save_results(conn, wanted))

    with ThreadPoolExecutor(2) as threads:
        running = [
            threads.submit(save, share, backwards=bool(number))
            for number, share in enumerate(shares)
        ]
        assert [each.result() for each in running] == [20, 20]


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)  # SQLite has one writer
def test_a_renewal_locks_items_in_the_order_of_those_that_save(database: JobDatabase) -> None:
    """Whatever order their rows lie in: else the two would deadlock."""
    database.enqueue(database.job(), ["a", "b"])
    first, second = database.take()
    with database.engine.begin() as conn:  # its row lies behind the other's now
        assert queue.renew(conn, "worker-1", [first], 60) == {first.id}
    waiting = (
        "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND datname = current_database()"
    )
    lock = select(work_items.c.id).with_for_update(nowait=True)

    def renew() -> set[int]:
        with database.engine.begin() as conn:
            return queue.renew(conn, "worker-1", [second, first], 60)

    with ThreadPoolExecutor(1) as threads, database.engine.begin() as saving:
        saving.execute(lock.where(work_items.c.id == first.id))
        renewed = threads.submit(renew)
        wait_until(lambda: database.one(waiting) == 1)
        saving.execute(lock.where(work_items.c.id == second.id))
        saving.commit()
        assert renewed.result(PATIENCE_S) == {first.id, second.id}


def test_an_item_that_was_leased_again_meanwhile_is_ended_by_its_holder(
    database: JobDatabase, record: MakeRecord
) -> None:
    """Also where both answers are saved together."""
    job = database.job()
    database.enqueue(job, {"a": TEXT})
    old = results(database, database.take(), record)
    with database.engine.begin() as conn:
        queue.release(conn, [old[0].item])
    new = results(database, database.take(), record)
    with database.engine.begin() as conn:
        saved = many_results.save_results(conn, [*old, *new])
    assert saved == {new[0].item.lease}
    assert database.states(job) == ["done"]


def test_two_jobs_that_ask_the_same_are_answered_once(
    database: JobDatabase, record: MakeRecord
) -> None:
    """Also where both answers are saved together."""
    wanted = []
    for name in ("one", "other"):
        job = database.job(name)
        database.enqueue(job, {"a": TEXT})
        wanted += results(database, database.take(job), record)
    with database.engine.begin() as conn:
        saved = many_results.save_results(conn, wanted)
    assert saved == {result.item.lease for result in wanted}
    assert database.one("SELECT COUNT(*) FROM extractions") == 1
    assert database.one("SELECT COUNT(*) FROM entities") == 2
    assert database.one("SELECT COUNT(*) FROM work_items WHERE state = 'done'") == 2
    assert database.one("SELECT error_class FROM attempts") == "answered_elsewhere"
