"""Schedules on both databases: fired once, missed, overlapping, tried again, taken up."""

from __future__ import annotations

import gc
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.engine.default import DefaultDialect
from support.job_database import JobDatabase
from support.waiting import PATIENCE_S

from ruie.db import schedule_runs, schedules
from ruie.db.engine import open_engine
from ruie.db.models import schedules as table
from ruie.db.types import utcnow
from ruie.errors import UsageError
from ruie.schema import Schema
from ruie.settings import load
from ruie.worker.client import Client
from ruie.worker.schedule_runner import ScheduleRunner, fire
from ruie.worker.schedules import Schedules

SCHEMA = Schema.from_body({"name": "news", "entities": {"person": ""}})
NEW_YEAR = "0 0 1 1 *"  # a time that does not come while a test runs


@pytest.fixture
def calls(engine: Engine, url: str, tmp_path: Path) -> Schedules:
    (tmp_path / "a.jsonl").write_text('{"id": "1", "text": "Ada went to Rome ."}\n')
    return Schedules(Client(load(database_url=url, home=tmp_path), engine))


@pytest.fixture
def runner(url: str, tmp_path: Path) -> ScheduleRunner:
    return ScheduleRunner(load(database_url=url, home=tmp_path), "coordinator-1")


def add(calls: Schedules, tmp_path: Path, cron: str = NEW_YEAR, **more: Any) -> None:
    source = more.pop("source", tmp_path / "a.jsonl")
    calls.add("news", cron, "UTC", [source], SCHEMA, **more)


def make_due(engine: Engine, ago_s: float = 1) -> None:
    with engine.begin() as conn:
        conn.execute(table.update().values(next_due_at=utcnow(-ago_s)))


def fire_now(engine: Engine) -> list[str]:
    with engine.begin() as conn:
        return fire(conn)


def round_(engine: Engine, runner: ScheduleRunner) -> int:
    """What a coordinator does in a round; waits for the runs' end."""
    with engine.begin() as conn:
        fire(conn)
        claimed = runner.claim(conn)
    runner.start(claimed)
    for thread in list(runner._threads.values()):
        thread.join(PATIENCE_S)
    return len(claimed)


def states(calls: Schedules) -> list[str]:
    return [run.state for run in calls.runs("news")[1]]


def test_a_run_from_its_time_to_its_job(
    engine: Engine, calls: Schedules, runner: ScheduleRunner, tmp_path: Path
) -> None:
    add(calls, tmp_path)
    assert round_(engine, runner) == 0
    make_due(engine)
    assert round_(engine, runner) == 1
    ((schedule, run),) = calls.listed()
    assert run is not None
    assert (run.state, run.job_state, run.attempts, run.error) == ("done", "running", 1, None)
    assert run.counts is not None
    assert run.counts["documents"] == 1
    with engine.connect() as conn:
        now = schedules.clock(conn)
    assert schedule.next_due_at is not None
    assert now < schedule.next_due_at <= now + timedelta(days=366)
    assert round_(engine, runner) == 0


def test_the_last_run_of_each_comes_in_one_query(engine: Engine, calls: Schedules) -> None:
    for number in range(12):
        calls.add(f"s{number:02}", NEW_YEAR, "UTC", ["a.jsonl"], SCHEMA)
    for _ in range(3):
        for number in range(10):
            calls.run(f"s{number:02}")
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    with engine.connect() as conn:
        every = schedules.list_schedules(conn)
        statements.clear()
        last = schedule_runs.last_runs(conn, [one.id for one in every])
        assert len(statements) == 1
        wanted = {one.id: schedule_runs.list_runs(conn, one.id) for one in every}
        assert schedule_runs.last_runs(conn, []) == {}
    assert last == {id_: runs[0] for id_, runs in wanted.items() if runs}
    assert [len(runs) for runs in wanted.values()] == [3] * 10 + [0, 0]


def test_a_run_leaves_nothing_in_memory_that_the_one_before_did_not(
    engine: Engine, calls: Schedules, runner: ScheduleRunner, tmp_path: Path
) -> None:
    add(calls, tmp_path)
    kept = []
    for _ in range(3):
        calls.run("news")
        assert round_(engine, runner) == 1
        with engine.begin() as conn:
            conn.execute(text("UPDATE jobs SET state = 'done'"))
        gc.collect()
        kept.append(sum(issubclass(type(each), DefaultDialect) for each in gc.get_objects()))
    assert kept == [kept[0]] * 3


def test_two_coordinators_fire_once(
    engine: Engine, url: str, calls: Schedules, tmp_path: Path
) -> None:
    add(calls, tmp_path, cron=NEW_YEAR)
    make_due(engine)
    barrier, fired, claimed = threading.Barrier(4), [], []

    def race(name: str) -> None:
        mine = open_engine(url)
        barrier.wait()
        for _ in range(5):
            with mine.begin() as conn:
                fired.extend(fire(conn))
            with mine.begin() as conn:
                conn.execute(text("SELECT 1"))
        mine.dispose()

    threads = [threading.Thread(target=race, args=(f"c{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert (fired, states(calls)) == (["news"], ["due"])
    with engine.begin() as conn:
        claimed = schedule_runs.claim(conn, "a", 30, 5) + schedule_runs.claim(conn, "b", 30, 5)
    assert len(claimed) == 1


@pytest.mark.parametrize(("missed", "state"), [("catch-up", "due"), ("skip", "skipped")])
def test_what_was_missed(
    engine: Engine, calls: Schedules, tmp_path: Path, missed: Any, state: str
) -> None:
    """Many times of an hourly schedule: one row, of the latest."""
    with engine.connect() as conn:
        now = schedules.clock(conn)
    ago = now - timedelta(minutes=20)
    add(calls, tmp_path, cron=f"{ago.minute} * * * *", missed=missed)
    with engine.begin() as conn:
        first = ago.replace(second=0, microsecond=0) - timedelta(days=3)
        conn.execute(table.update().values(next_due_at=first))
    fire_now(engine)
    (run,) = calls.runs("news")[1]
    assert (run.state, run.due_at) == (state, ago.replace(second=0, microsecond=0))


def test_an_overlapping_run_is_refused(
    engine: Engine, calls: Schedules, runner: ScheduleRunner, tmp_path: Path
) -> None:
    add(calls, tmp_path)
    for _ in range(2):
        calls.run("news")
        round_(engine, runner)
    late, early = calls.runs("news")[1]
    assert (early.state, late.state) == ("done", "skipped")
    assert late.error == f"overlaps the run before it: job {early.job_id} is running"


def test_an_overlapping_run_waits_and_the_last_stands_for_all(
    engine: Engine, calls: Schedules, runner: ScheduleRunner, tmp_path: Path
) -> None:
    add(calls, tmp_path, overlap="queue")
    for _ in range(3):
        calls.run("news")
        round_(engine, runner)
    assert states(calls) == ["due", "skipped", "done"]
    with engine.begin() as conn:
        conn.execute(text("UPDATE jobs SET state = 'done'"))
    round_(engine, runner)
    assert states(calls) == ["done", "skipped", "done"]


def test_a_source_that_fails_is_tried_again_then_reported(
    engine: Engine, calls: Schedules, runner: ScheduleRunner, tmp_path: Path
) -> None:
    add(calls, tmp_path, source=tmp_path / "later.jsonl", retries=1)
    calls.run("news")
    round_(engine, runner)
    (run,) = calls.runs("news")[1]
    assert (run.state, run.attempts) == ("due", 1)
    assert run.not_before is not None
    assert "later.jsonl" in str(run.error)
    assert round_(engine, runner) == 0, "not before its time"
    with engine.begin() as conn:
        conn.execute(text("UPDATE schedule_runs SET not_before = NULL"))
    round_(engine, runner)
    assert states(calls) == ["failed"]
    (tmp_path / "later.jsonl").write_text('{"id": "1", "text": "Ada went to Rome ."}\n')
    make_due(engine)
    round_(engine, runner)
    assert sorted(states(calls)) == ["done", "failed"], "the schedule stays"


def test_a_lost_run_is_taken_up_and_its_old_owner_writes_nothing(
    engine: Engine, calls: Schedules, tmp_path: Path
) -> None:
    add(calls, tmp_path)
    calls.run("news")
    with engine.begin() as conn:
        (old,) = schedule_runs.claim(conn, "dead", 30, 5)
        assert schedule_runs.claim(conn, "next", 30, 5) == []
        conn.execute(text("UPDATE schedule_runs SET lease_expires = '2020-01-01 00:00:00.000000'"))
        (new,) = schedule_runs.claim(conn, "next", 30, 5)
        assert not schedule_runs.heartbeat(conn, old, 30)
        assert not schedule_runs.finish(conn, old, "job_0", {})
        assert schedule_runs.heartbeat(conn, new, 30)
    assert (new.id, new.attempts) == (old.id, 2)


def test_what_is_wrong_is_refused_and_nothing_written(
    database: JobDatabase, calls: Schedules, tmp_path: Path
) -> None:
    for wrong in (("61 * * * *", "UTC"), ("* * * * *", "Europe/Nowhere")):
        with pytest.raises(UsageError):
            calls.add("news", *wrong, [tmp_path], SCHEMA)
    assert database.one("SELECT count(*) FROM schedules") == 0
    add(calls, tmp_path)
    with pytest.raises(UsageError, match="a schedule news already"):
        add(calls, tmp_path, cron="0 1 * * *")
    for call in (calls.run, calls.remove, calls.enable, calls.disable, calls.runs):
        with pytest.raises(UsageError, match="no schedule x"):
            call("x")
    assert database.rows("SELECT cron FROM schedules") == [(NEW_YEAR,)]


def test_disabled_enabled_removed(
    engine: Engine, database: JobDatabase, calls: Schedules, tmp_path: Path
) -> None:
    add(calls, tmp_path)
    make_due(engine)
    calls.disable("news")
    assert fire_now(engine) == []
    assert calls.enable("news") == calls.runs("news")[0].next_due_at
    calls.run("news")
    calls.remove("news")
    assert database.one("SELECT count(*) FROM schedule_runs") == 0


def test_a_run_that_the_database_refuses_fails_at_once_and_holds_up_no_other(
    calls: Schedules, engine: Engine, runner: ScheduleRunner, tmp_path: Path, url: str
) -> None:
    """Two of them would fill both places of the runner."""
    options: dict[str, Any] = {"retries": 0}
    for name in ("refused-1", "refused-2", "well"):
        calls.add(name, NEW_YEAR, "UTC", [tmp_path / "a.jsonl"], SCHEMA, **options)
    with engine.begin() as conn:
        conn.exec_driver_sql(_REFUSING[engine.dialect.name])
        if engine.dialect.name == "postgresql":
            conn.exec_driver_sql(_REFUSING_TRIGGER)
        conn.execute(table.update().values(next_due_at=utcnow(-1)))
    try:
        round_(engine, runner)
        round_(engine, runner)
        runs = {name: calls.runs(name)[1][0] for name in ("refused-1", "refused-2", "well")}
        states = {name: run.state for name, run in runs.items()}
        assert states == {"refused-1": "failed", "refused-2": "failed", "well": "done"}
        assert str(runs["refused-1"].error).startswith("The database refuses: integer overflow.")
    finally:
        with engine.begin() as conn:
            on = " ON jobs" if engine.dialect.name == "postgresql" else ""
            conn.exec_driver_sql(f"DROP TRIGGER refusing{on}")


_REFUSING = {
    "sqlite": """CREATE TRIGGER refusing BEFORE INSERT ON jobs WHEN NEW.name LIKE 'refused%'
        BEGIN SELECT abs(-9223372036854775807 - 1); END""",
    "postgresql": """CREATE OR REPLACE FUNCTION refusing() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.name LIKE 'refused%%' THEN
                RAISE EXCEPTION 'integer overflow' USING ERRCODE = '54000';
            END IF;
            RETURN NEW;
        END $$""",
}
_REFUSING_TRIGGER = """CREATE TRIGGER refusing BEFORE INSERT ON jobs
    FOR EACH ROW EXECUTE FUNCTION refusing()"""
