"""`ruie status`: how fast, how long, what went wrong, and who works."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.job_database import JobDatabase
from support.terminal import lines_on_a_terminal

from ruie.db import job_states, jobs, leadership, processes, queue
from ruie.db.activity import Alive, activity, alive
from ruie.db.engine import open_engine, reading
from ruie.errors import OutputError
from ruie.worker.cli.alive_line import alive_line
from ruie.worker.embedded.only_one import Running, only_one

Run = Callable[..., subprocess.CompletedProcess[str]]
NOBODY = Alive(None, 0, 0, 0, 0, 0)
LEADER = Alive("host:12:ab", 0, 0, 0, 0, 0)
UP = Running("ruie up", 7, 0.0)


@pytest.fixture
def database(database_url: str) -> Iterator[JobDatabase]:
    engine = open_engine(database_url)
    yield JobDatabase(engine)
    engine.dispose()


def job_of(database: JobDatabase, items: int, done: int, given_up: int, name: str = "oil") -> str:
    """A job of which some items are done and some were given up; the others are leased."""
    job = database.job(name)
    database.enqueue(job, [f"{name} {n}" for n in range(items)])
    with database.engine.begin() as conn:
        jobs.finish_enqueueing(conn, job)
    for n, item in enumerate(database.take(job)):
        if n < done:
            database.save(item)
        elif n < done + given_up:
            with database.engine.begin() as conn:
                queue.quarantine(conn, item, OutputError("The answer cannot be read."))
    return job


def ended(database: JobDatabase, job: str, seconds_ago: float) -> None:
    """Say that the job's items ended so long ago, the first of them twice as long."""
    sqlite = database.engine.dialect.name == "sqlite"
    with database.engine.begin() as conn:
        (first,) = conn.exec_driver_sql(
            f"SELECT MIN(id) FROM work_items WHERE job_id = '{job}'"
        ).one()
        for where, ago in (("<>", seconds_ago), ("=", 2 * seconds_ago)):
            at = (
                f"strftime('%Y-%m-%d %H:%M:%f', 'now', '-{ago} seconds') || '000'"
                if sqlite
                else f"now() - interval '{ago} seconds'"
            )
            conn.exec_driver_sql(
                f"UPDATE work_items SET updated_at = {at}"
                f" WHERE job_id = '{job}' AND id {where} {first}"
            )


def test_the_rate_is_that_of_what_ended_lately(database: JobDatabase) -> None:
    job = job_of(database, 10, 5, 1)
    ended(database, job, 60)  # six items within two minutes
    with reading(database.engine) as conn:
        now = activity(conn, job)
    assert now.rate_per_minute == pytest.approx(3, rel=0.1)
    assert now.seconds_left(4) == pytest.approx(80, rel=0.1)
    assert now.last_error is not None
    assert (now.last_error.error_class, now.last_error.error) == (
        "output", "The answer cannot be read.",
    )  # fmt: skip  # a line
    ended(database, job, 301)
    with reading(database.engine) as conn:
        now = activity(conn, job)
    assert (now.rate_per_minute, now.seconds_left(4)) == (None, None)


def test_who_works_is_who_holds_a_lease_or_says_so(database: JobDatabase) -> None:
    def who() -> Alive:
        with reading(database.engine) as conn:
            return alive(conn)

    assert who() == NOBODY
    job_of(database, 5, 2, 1)
    assert who() == Alive(None, 1, 2, 0, 1, 0)
    other = database.job("other")
    database.enqueue(other, ["x"])
    database.dispatch(other)
    with database.engine.begin() as conn:
        assert leadership.lead(conn, "host:12:ab", 60)
    assert who() == Alive("host:12:ab", 1, 2, 1, 1, 0)
    database.pass_time(61)  # leases, and messages that were not taken
    assert who() == LEADER
    with database.engine.begin() as conn:
        leadership.resign(conn, "host:12:ab", 1)
    assert who() == NOBODY
    with database.engine.begin() as conn:
        for who_else in (
            processes.Identity("host:7:cd", "worker", "host", 7, "1.0"),
            processes.Identity("host:8:ef", "coordinator", "host", 8, "1.0"),
        ):
            processes.beat(conn, who_else, processes.IDLE, 5.0)
    assert who() == Alive(None, 0, 0, 0, 1, 1)


@pytest.mark.parametrize(
    ("now", "here", "work", "said", "bad"),
    [
        (NOBODY, None, True, "No coordinator is alive, and no worker is."
         " `ruie up` starts both on this machine.", True),
        (NOBODY, None, False, "No coordinator is alive, and no worker is.", False),
        (Alive(None, 2, 5, 0, 2, 0), None, True, "No coordinator is alive; 2 worker processes will"
         " end 5 items, and then nothing follows. Start `ruie coordinator`.", True),
        (Alive(None, 0, 0, 0, 1, 0), None, True, "No coordinator is alive; 1 worker process waits."
         " Start `ruie coordinator`.", True),
        (Alive("host:12:ab", 1, 1, 9, 1, 0), None, True,
         "Alive: a coordinator (host:12) and 1 worker process with 1 item.", False),
        (Alive("host:12:ab", 3, 70, 9, 8, 1), None, True, "Alive: a coordinator (host:12; 1 stands"
         " by) and 8 worker processes, of which 3 with 70 items.", False),
        (Alive("host:12:ab", 0, 0, 9, 8, 0), UP, True, "Alive: a coordinator (host:12) and 8 worker"
         " processes, none of which has an item.", False),
        (Alive("host:12:ab", 0, 0, 9, 0, 0), None, True, "Alive: a coordinator (host:12)."
         " No worker is alive. None has taken any of 9 items sent. Start `ruie worker`.", True),
        (Alive("host:12:ab", 0, 0, 9, 0, 0), UP, True,
         "Alive: a coordinator (host:12) and the worker of `ruie up` (pid 7).", False),
        (LEADER, None, False, "Alive: a coordinator (host:12). No worker is alive.", False),
    ],
)  # fmt: skip  # a case a line or two
def test_who_works_in_words(
    now: Alive, here: Running | None, work: bool, said: str, bad: bool
) -> None:
    assert alive_line(now, here, work=work) == (said, bad)


def test_a_job_in_detail_fits_80_columns(
    ruie: Run, database: JobDatabase, database_url: str, tmp_path: Path
) -> None:
    job = job_of(database, 100, 30, 20, "name")
    ended(database, job, 60)
    url = {"RUIE_DATABASE_URL": database_url}
    lines = lines_on_a_terminal(["status", job], tmp_path, 80, **url)
    assert max(map(len, lines)) <= 80
    assert lines[:5] == [
        f"{job}  name  running",
        20 * "━" + 20 * "─" + "  50 % of 100 items",
        lines[2],
        lines[3],
        "given up    20 %: 20 items (output 20)",
    ]
    assert lines[2].startswith("speed       2")
    assert lines[2].endswith(" items a minute")
    assert lines[3].startswith("left        about ")
    assert "output: The answer cannot be read." in lines[5]
    said = " ".join(lines[6:])
    assert "No coordinator is alive; 1 worker process will end 50 items" in said
    assert f"{job} has no demonstrations for entities" in said
    printed = json.loads(ruie("status", job, "--json", **url).stdout)
    assert printed["rate_per_minute"] == pytest.approx(25, rel=0.2)
    assert printed["seconds_left"] == pytest.approx(60 * 50 / printed["rate_per_minute"])
    assert printed["quarantined_by_class"] == {"output": 20}
    assert printed["last_error"]["error"] == "The answer cannot be read."
    assert printed["alive"] == {
        "coordinator": None, "processes": 1, "held": 50, "sent": 0, "workers": 1, "standing_by": 0,
    }  # fmt: skip  # a line


def test_a_job_that_is_done_and_mostly_given_up_is_said_to_be_so(
    ruie: Run, database: JobDatabase, database_url: str, tmp_path: Path
) -> None:
    bad, fair = job_of(database, 50, 13, 37, "bad"), job_of(database, 50, 49, 1, "fair")
    with database.engine.begin() as conn:
        job_states.close_jobs(conn)
    # without a bundle nobody knows of what the model is shown no example
    url = {"RUIE_DATABASE_URL": database_url, "RUIE_BUNDLE": str(tmp_path / "none")}
    lines = lines_on_a_terminal(["status"], tmp_path, 80, **url)
    assert max(map(len, lines)) <= 80
    assert [line.split()[:5] for line in lines[1:3]] == [
        [fair, "fair", "done,", "2", "%"], [bad, "bad", "done,", "74", "%"],
    ]  # fmt: skip  # a line
    assert lines[3:] == ["", "No coordinator is alive, and no worker is."]
    told = "\n".join(lines_on_a_terminal(["status", bad], tmp_path, 80, **url))
    assert f"74 % of the items of {bad} were given up, more than 5 % (output 37)." in told
    assert f"`ruie quarantine list {bad}` shows them,\n      `ruie retry {bad}` tries" in told
    assert "were given up" not in "\n".join(
        lines_on_a_terminal(["status", fair], tmp_path, 80, **url)
    )
    assert ruie("status", bad, **url).returncode == 0


def test_with_nothing_running_it_says_so(ruie: Run, database: JobDatabase, database_url: str,
                                         tmp_path: Path) -> None:  # fmt: skip  # its fixtures
    job = database.job("waits")
    database.enqueue(job, ["x"])
    url = {"RUIE_DATABASE_URL": database_url}
    said = "No coordinator is alive, and no worker is. `ruie up` starts both"
    for command in (("status",), ("status", job)):
        assert said in ruie(*command, **url).stdout
    with only_one(tmp_path / ".ruie", "ruie up"), database.engine.begin() as conn:
        assert leadership.lead(conn, "host:12:ab", 600)
        conn.commit()
        assert "and the worker of `ruie up` (pid " in ruie("status", **url).stdout


def test_without_a_job_it_says_who_works_too(
    ruie: Run, database: JobDatabase, database_url: str
) -> None:
    url = {"RUIE_DATABASE_URL": database_url}
    nobody = "No coordinator is alive, and no worker is."
    lines = ["There are no jobs yet. `ruie enqueue` makes one.", "", nobody]
    assert ruie("status", **url).stdout.splitlines() == lines
    with database.engine.begin() as conn:
        assert leadership.lead(conn, "host:12:ab", 600)
    assert "Alive: a coordinator (host:12)." in ruie("status", **url).stdout
