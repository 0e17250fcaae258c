"""A database changes its version only while its fleet stands still, whatever is frozen or late."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, Engine, Update, text, update
from support.job_database import JobDatabase
from support.provider_job import ProviderJob
from support.waiting import wait_until

from ruie.db import leadership, losses, migrate, models, processes, queue, version
from ruie.db.engine import open_engine
from ruie.db.types import utcnow
from ruie.errors import DatabaseError, DatabaseVersionError, UsageError

HERE = processes.Identity("here:1:aaa", "worker", "here", 1, "0.2.0")
BEFORE = "0020"
"""A revision that knows no table `processes`."""


def lead(conn: Connection) -> None:
    assert leadership.lead(conn, "here:1:aaa", 60.0)


def lease(conn: Connection) -> None:
    (batch,) = queue.dispatch(conn, None, 10, 10, 60.0)
    assert len(queue.lease(conn, batch.id, "here:1:aaa", 60.0)) == 2


def live(conn: Connection) -> None:
    processes.beat(conn, HERE, processes.IDLE, 0.0)


WORK = [
    (lead, "coordinator here:1:aaa leads"),
    (lease, "worker here:1:aaa has leased 2 items"),
    (live, "worker here:1:aaa is alive"),
]


@pytest.mark.parametrize(("work", "named"), WORK)
def test_who_is_at_work_is_named_and_nothing_changed(
    engine: Engine,
    database: JobDatabase,
    work: Callable[[Connection], None],
    named: str,
) -> None:
    job = database.job()
    database.enqueue(job, ["a", "b"])
    with engine.begin() as conn:
        work(conn)
    with pytest.raises(DatabaseError, match=f"{named}.*Stop coordinators and workers"):
        migrate.downgrade(engine, BEFORE)
    migrate.check(engine)
    migrate.upgrade(engine)  # there is nothing to change: it stops nobody
    with engine.begin() as conn:
        version.require(conn)


@pytest.mark.parametrize(
    ("work", "named"),
    [
        (update(models.leadership).values(holder="here", expires=utcnow(60)), "here leads"),
        (
            update(models.work_items).values(
                state="leased", lease_owner="here", lease_expires=utcnow(60)
            ),
            "here has leased 2 items",
        ),
    ],
)
def test_so_it_is_on_the_way_up(
    engine: Engine, database: JobDatabase, work: Update, named: str
) -> None:
    database.enqueue(database.job(), ["a", "b"])
    with engine.begin() as conn:
        assert leadership.lead(conn, "gone", -1.0)
    migrate.downgrade(engine, BEFORE)
    with engine.begin() as conn:
        conn.execute(work)
    with pytest.raises(DatabaseError, match=named):
        migrate.upgrade(engine)
    with engine.connect() as conn:
        assert version.stored(conn) == BEFORE


def test_it_waits_until_they_have_ended(engine: Engine, database: JobDatabase) -> None:
    with engine.begin() as conn:
        token = leadership.lead(conn, "here:1:aaa", 60.0)
    assert token is not None
    said: list[str] = []
    waits = threading.Thread(
        target=migrate.downgrade,
        args=(engine, BEFORE),
        kwargs={"wait_s": 60, "report": said.append},
    )
    waits.start()
    wait_until(lambda: said)
    with engine.begin() as conn:
        leadership.resign(conn, "here:1:aaa", token)
    waits.join()
    assert said == ["Waiting until these have ended: coordinator here:1:aaa leads."]
    with engine.connect() as conn:
        assert version.stored(conn) == BEFORE


def test_a_worker_that_was_frozen_meanwhile_holds_nothing(
    engine: Engine, database: JobDatabase
) -> None:
    job = database.job()
    database.enqueue(job, ["a", "b"])
    items = database.take()
    database.pass_time(61)
    migrate.downgrade(engine, BEFORE)
    migrate.upgrade(engine)
    with engine.begin() as conn:
        assert queue.renew(conn, "worker-1", items, 60.0) == set()
    assert not any(database.save(item) for item in items)
    with engine.begin() as conn:
        assert queue.reap(conn, 5) == (2, 0)


def test_neither_does_a_leader(engine: Engine) -> None:
    with engine.begin() as conn:
        token = leadership.lead(conn, "here:1:aaa", -1.0)
    assert token is not None
    migrate.downgrade(engine, BEFORE)
    migrate.upgrade(engine)
    with engine.begin() as conn, pytest.raises(leadership.NotLeadingError):
        leadership.check(conn, "here:1:aaa", token)


def test_nobody_leads_or_leases_in_a_database_of_another_version(
    engine: Engine, database: JobDatabase
) -> None:
    job = database.job()
    database.enqueue(job, ["a"])
    (batch,) = database.dispatch()
    with engine.begin() as conn:
        conn.execute(text("UPDATE ruie_version SET version_num = '9999'"))
    with pytest.raises(DatabaseVersionError, match="newer version of ruie: it has 9999"):
        database.lease(batch.id)
    with engine.begin() as conn, pytest.raises(DatabaseVersionError, match="9999"):
        leadership.lead(conn, "here:1:aaa", 60.0)
    assert database.states(job) == ["pending"]


def test_a_lease_and_a_migration_at_once_are_one_after_the_other(
    engine: Engine, database: JobDatabase, url: str
) -> None:
    """A worker is about to commit its lease while the migration begins: that sees it."""
    job = database.job()
    database.enqueue(job, ["a"])
    (batch,) = database.dispatch()
    other = open_engine(url)
    failed: list[DatabaseError] = []

    def go_back() -> None:
        try:
            migrate.downgrade(other, BEFORE)
        except DatabaseError as error:
            failed.append(error)

    migration = threading.Thread(target=go_back)
    with engine.begin() as conn:
        assert queue.lease(conn, batch.id, "here:1:aaa", 60.0)
        migration.start()
        migration.join(0.3)  # on PostgreSQL it waits for the table, on SQLite for the file
    migration.join()
    other.dispose()
    assert "has leased 1 items" in str(failed[0])


def test_what_an_older_version_has_no_place_for(engine: Engine, database: JobDatabase) -> None:
    job = database.job()
    database.enqueue(job, ["a"])
    with engine.begin() as conn:
        live(conn)
    found = losses.losses(engine, BEFORE)
    assert "table processes, rows: 1" in found
    assert not any("review_queue" in line for line in found), "it is empty"
    (of_items,) = (line for line in found if line.startswith("of work_items: "))
    assert "mode" in of_items
    assert "state" not in of_items
    for wrong in ("0003", version.newest(), "base", "9999"):
        with pytest.raises(UsageError, match=f"{wrong} is no revision before"):
            losses.losses(engine, wrong)


def test_a_database_without_its_views_is_not_taken_for_one(engine: Engine) -> None:
    """So an older version finds it that has not made them yet."""
    with engine.begin() as conn:
        conn.execute(text("DROP VIEW job_progress"))
    with pytest.raises(DatabaseError, match=r"lacks its views, job_progress .*`ruie db upgrade`"):
        migrate.check(engine)
    migrate.upgrade(engine)
    migrate.check(engine)


def test_batches_under_way_are_not_forgotten(engine: Engine, database: JobDatabase) -> None:
    batched = ProviderJob(database)
    batched.enqueue(["a"])
    with pytest.raises(DatabaseError, match=f"{batched.id}: in the mode batch"):
        migrate.downgrade(engine, "0022")
    batched.submit()
    batched.sent()
    with pytest.raises(DatabaseError, match="Batches are under way: 1, with 1 requests"):
        migrate.downgrade(engine, "0022")
    migrate.check(engine)
