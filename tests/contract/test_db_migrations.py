"""Migrations: they equal the models, they go back, and `check` says what a database is."""

from __future__ import annotations

import multiprocessing
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Engine, inspect, text
from support.job_database import JobDatabase
from support.waiting import PATIENCE_S

from ruie.db import job_states, jobs, migrate, queue
from ruie.db.engine import open_engine
from ruie.db.models import FTS, metadata
from ruie.db.reader import VERSION_TABLE
from ruie.db.views import VIEWS
from ruie.errors import DatabaseError, TransientCallError


def test_the_migrations_equal_the_models(engine: Engine) -> None:
    with engine.connect() as conn:
        context = MigrationContext.configure(
            conn,
            opts={
                "version_table": VERSION_TABLE,
                "compare_type": True,
                # full-text search's index has no model
                "include_name": lambda name, kind, _: kind != "table" or not name.startswith(FTS),
            },
        )
        assert compare_metadata(context, metadata) == []


def test_so_do_checks_partial_indexes_and_views(engine: Engine) -> None:
    """Which Alembic does not compare."""
    inspector = inspect(engine)
    assert set(inspector.get_view_names()) == set(VIEWS)
    kind = engine.dialect.name
    for name, table in metadata.tables.items():
        checks = {c["name"] for c in inspector.get_check_constraints(name)}
        assert checks == {c.name for c in table.constraints if isinstance(c, CheckConstraint)}
        indexes = {
            index["name"]: str(index.get("dialect_options", {}).get(f"{kind}_where", ""))
            for index in inspector.get_indexes(name)
            if not index.get("duplicates_constraint")
        }
        wanted = {str(i.name): str(i.dialect_options[kind]["where"]) for i in table.indexes}
        assert {n: bare(w) for n, w in indexes.items()} == {n: bare(w) for n, w in wanted.items()}


def bare(condition: str) -> str:
    """As both databases and we write it: `(state)::text = 'x'::text` is `state = 'x'`."""
    for noise in ("::text", "(", ")"):
        condition = condition.replace(noise, "")
    return "" if condition == "None" else condition


def test_down_to_nothing_and_up_again(engine: Engine) -> None:
    migrate.downgrade(engine)
    assert set(inspect(engine).get_table_names()) <= {VERSION_TABLE}
    assert inspect(engine).get_view_names() == []
    migrate.upgrade(engine)
    migrate.check(engine)


def test_again_is_harmless(engine: Engine, database: JobDatabase) -> None:
    job = database.job()
    migrate.upgrade(engine)
    assert database.one("SELECT id FROM jobs") == job


def test_an_empty_database(empty_url: str) -> None:
    engine = open_engine(empty_url)
    with pytest.raises(DatabaseError, match=r"empty\. Run `ruie db upgrade`"):
        migrate.check(engine)
    migrate.upgrade(engine)
    migrate.check(engine)
    engine.dispose()


@pytest.mark.parametrize("act", [migrate.check, migrate.upgrade])
def test_a_newer_database(engine: Engine, act: Any) -> None:
    with engine.begin() as conn:
        conn.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(DatabaseError, match="newer version of ruie"):
        act(engine)


def test_an_older_database(engine: Engine) -> None:
    migrate.downgrade(engine, "0001")
    with pytest.raises(DatabaseError, match=r"another version .* Run `ruie db upgrade`"):
        migrate.check(engine)


@pytest.mark.parametrize("act", [migrate.check, migrate.upgrade])
def test_somebody_elses_database(empty_url: str, act: Any) -> None:
    engine = open_engine(empty_url)
    with engine.begin() as conn:
        conn.execute(text("CREATE TABLE jobs (id int)"))
    with pytest.raises(DatabaseError, match="not ruie's"):
        act(engine)
    assert inspect(engine).get_table_names() == ["jobs"]
    engine.dispose()


def _upgrade(url: str, barrier: Any, answers: Any) -> None:
    barrier.wait()
    try:
        engine = open_engine(url)
        migrate.upgrade(engine)
        migrate.check(engine)
        answers.put("")
    except Exception as error:
        answers.put(repr(error))


def test_several_processes_at_once(empty_url: str) -> None:
    here = multiprocessing.get_context("fork")
    barrier, answers = here.Barrier(3), here.Queue()
    processes = [
        here.Process(target=_upgrade, args=(empty_url, barrier, answers)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    assert [answers.get(timeout=PATIENCE_S) for _ in processes] == [""] * 3
    for process in processes:
        process.join(PATIENCE_S)


@pytest.mark.parametrize(("revision", "failed_calls"), [("0001", []), ("0010", [("small", None)])])
def test_an_older_database_with_rows_goes_on(
    engine: Engine, database: JobDatabase, revision: str, failed_calls: list[Any]
) -> None:
    """From version 0.1 (revision 0001), and from the revision before the last."""
    job, untouched = database.job(), database.job("not begun")
    database.enqueue(job, ["answered", "failed", "lost", "waiting"])
    answered, failed, lost, waiting = database.take()
    assert database.save(answered)
    with engine.begin() as conn:
        error = TransientCallError("no answer")
        queue.record_attempt(conn, failed, error, model="small", endpoint="http://llm")
        queue.retry(conn, failed, 0.0, error, counts=True)
        queue.release(conn, [waiting])
    database.pass_time(61)  # of `lost`, the worker is gone
    migrate.downgrade(engine, revision)
    with pytest.raises(DatabaseError, match=r"Run `ruie db upgrade`"):
        migrate.check(engine)
    migrate.upgrade(engine)
    migrate.check(engine)
    if engine.dialect.name == "sqlite":
        assert database.one("PRAGMA foreign_keys") == 1
        assert database.rows("PRAGMA foreign_key_check") == []

    assert database.rows("SELECT model, endpoint FROM attempts") == failed_calls
    bundles = dict(database.rows("SELECT id, bundle_digest FROM jobs"))
    assert bundles == {job: "b" * 64, untouched: ""}
    with engine.begin() as conn:
        assert queue.reap(conn, 3) == (1, 0)
    again = database.take()
    assert {item.id for item in again} == {failed.id, lost.id, waiting.id}
    assert all(database.save(item) for item in again)
    with engine.begin() as conn:
        jobs.finish_enqueueing(conn, job)
        assert job_states.close_jobs(conn) == [job]
