"""`ruie wait`, and what a job looks like of which too much was given up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.databases import Server
from support.job_database import JobDatabase
from support.waiting import PATIENCE_S, wait_until

from ruie.client import Client
from ruie.db import job_states, jobs, queue
from ruie.db.engine import open_engine
from ruie.db.jobs import PausedBy
from ruie.db.progress import TOLERATED_SHARE, JobProgress
from ruie.errors import DatabaseError, OutputError, UnavailableError
from ruie.settings import Settings, load
from ruie.worker.waiting import wait_for

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def database(upgraded: Path) -> Iterator[JobDatabase]:
    engine = open_engine(f"sqlite:///{upgraded}")
    yield JobDatabase(engine)
    engine.dispose()


def job_of(database: JobDatabase, items: int, given_up: int, *, closed: bool = True) -> str:
    """A job of which some items were given up and the others are done; closed as a coordinator
    does it."""
    job = database.job()
    database.enqueue(job, [f"text {n}" for n in range(items)])
    with database.engine.begin() as conn:
        jobs.finish_enqueueing(conn, job)
    for n, item in enumerate(database.take(job)):
        if n < given_up:
            with database.engine.begin() as conn:
                queue.quarantine(conn, item, OutputError("The answer cannot be read."))
        elif closed:
            database.save(item)
    if closed:
        with database.engine.begin() as conn:
            assert job_states.close_jobs(conn) == [job]
    return job


def pause(engine: Engine, job: str, by: PausedBy, reason: str = "The key is refused.") -> None:
    with engine.begin() as conn:
        job_states.set_job_state(conn, job, "paused", reason, by=by)


def test_the_share_that_is_tolerated_is_the_settings() -> None:
    assert Settings.model_fields["quarantine_share"].default == TOLERATED_SHARE


def test_jobs_that_are_done_end_with_0(ruie: Run, database: JobDatabase) -> None:
    first, second = job_of(database, 3, 0), job_of(database, 20, 1)
    done = ruie("wait", first, second, first)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2), done.stderr
    assert done.stdout.splitlines()[0].startswith(f"{first} done: 3 of 3 items done, 0 quarantined")
    assert f"{second} done, 5 % given up: 19 of 20 items done, 1 quarantined" in done.stdout
    assert ruie("wait", first, "job_0").returncode == 4


@pytest.mark.parametrize(
    ("options", "settings", "code"),
    [
        ((), {}, 1),
        (("--fail-on-quarantine", "0.25"), {}, 0),
        (("--fail-on-quarantine", "24%"), {}, 1),
        (("--fail-on-quarantine", "1"), {}, 0),
        ((), {"RUIE_QUARANTINE_SHARE": "0.25"}, 0),
        (("--fail-on-quarantine", "0"), {"RUIE_QUARANTINE_SHARE": "1"}, 1),
        (("--fail-on-quarantine", "2"), {}, 2),
        ((), {"RUIE_QUARANTINE_SHARE": "2"}, 2),
    ],
)
def test_more_than_the_tolerated_share_given_up_ends_with_1(
    ruie: Run,
    database: JobDatabase,
    options: tuple[str, ...],
    settings: dict[str, str],
    code: int,
) -> None:
    job = job_of(database, 8, 2)
    done = ruie("wait", job, *options, **settings)
    assert done.returncode == code, done.stderr
    assert (f"25 % of the items of {job} were given up" in done.stderr) == (code == 1)
    assert ("(output 2)" in done.stderr) == (code == 1)


def test_status_shows_the_share(ruie: Run, database: JobDatabase) -> None:
    bad, fair, good = (job_of(database, 8, given_up) for given_up in (2, 1, 0))
    settings = {"RUIE_QUARANTINE_SHARE": "0.2"}
    listed = {p["job_id"]: p for p in json.loads(ruie("status", "--json", **settings).stdout)}
    assert {job: (p["state"], p["quarantined_share"], p["ok"]) for job, p in listed.items()} == {
        bad: ("done", 0.25, False),
        fair: ("done", 0.125, True),
        good: ("done", 0, True),
    }
    rows = ruie("status", **settings).stdout.splitlines()
    assert ["25 % given up" in row for row in rows if bad in row] == [True]
    assert ["12.5 % given up" in row for row in rows if fair in row] == [True]
    assert ["given up" in row for row in rows if good in row] == [False]
    assert "done, 25 % given up" in ruie("status", bad).stdout
    coloured = {"FORCE_COLOR": "1", "TERM": "xterm", **settings}
    red, yellow = "\x1b[31m", "\x1b[33m"
    for job, colour in ((bad, red), (fair, yellow)):
        assert f"{colour}done, " in ruie("status", job, **coloured).stdout
    assert red not in ruie("status", good, **coloured).stdout


def test_json_has_the_last_progress_of_each(ruie: Run, database: JobDatabase) -> None:
    job = job_of(database, 8, 2)
    done = ruie("wait", job, "--json")
    (printed,) = json.loads(done.stdout)
    assert (done.returncode, printed["job_id"], printed["ok"]) == (1, job, False)
    assert (printed["quarantined"], printed["tolerated_share"]) == (2, 0.05)


@pytest.mark.parametrize(
    ("by", "reason"), [("error", "The key is refused."), ("job_cap", "`ruie cap` raises it.")]
)
def test_a_job_that_somebody_must_mend_ends_the_wait_at_once(
    ruie: Run, database: JobDatabase, by: PausedBy, reason: str
) -> None:
    job, other = (job_of(database, 4, 0, closed=False) for _ in range(2))
    pause(database.engine, job, by, reason)
    done = ruie("wait", other, job)
    assert done.returncode == 1
    assert f"ruie: {job} is paused: {reason}" in done.stderr
    assert ("ruie resume" in done.stderr) == (by == "error")
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        f"{other} running",
        f"{job} paused",
    ]


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_a_job_that_was_cancelled_or_failed_ends_with_1(
    ruie: Run, database: JobDatabase, state: jobs.JobState
) -> None:
    job = job_of(database, 4, 0, closed=False)
    with database.engine.begin() as conn:
        job_states.set_job_state(conn, job, state, "by hand")
    done = ruie("wait", job)
    assert (done.returncode, f"{job} is {state}: by hand" in done.stderr) == (1, True)


def test_time_is_up(ruie: Run, database: JobDatabase) -> None:
    job = job_of(database, 4, 0, closed=False)
    pause(database.engine, job, "person")
    done = ruie("wait", job, "--timeout", "0.1", "--json")
    assert (done.returncode, json.loads(done.stdout)[0]["ok"]) == (3, None)
    assert f"Still waiting for {job} after 0.1 s" in done.stderr
    assert done.stderr.startswith(f"{job} paused: 0 of 4 items done")


def test_every_line_says_what_holds_a_job_up(ruie: Run, database: JobDatabase) -> None:
    job, by_hand = (job_of(database, 4, 0, closed=False) for _ in range(2))
    pause(database.engine, by_hand, "person", "Until Monday.")
    told = ruie("wait", job, by_hand, "--timeout", "0.1").stderr.splitlines()
    (running,) = (line for line in told if line.startswith(f"{job} running"))
    assert "; No coordinator is alive" in running
    (paused,) = (line for line in told if line.startswith(f"{by_hand} paused"))
    assert paused.endswith("; paused: Until Monday.")


def test_progress_is_reported_again_where_nothing_has_changed(database: JobDatabase) -> None:
    job, ended = job_of(database, 4, 0, closed=False), job_of(database, 2, 0)
    told: list[JobProgress] = []
    looks = iter(range(4))

    def pause(_: float) -> None:
        if next(looks, None) is None:
            with database.engine.begin() as conn:
                job_states.set_job_state(conn, job, "cancelled", "by hand")

    wait_for(database.engine, [ended, job], 0.05, None, told.append, pause, report_s=0)
    states = [progress.state for progress in told if progress.job_id == job]
    assert states == ["running"] * 5 + ["cancelled"]
    assert [progress.state for progress in told if progress.job_id == ended] == ["done"]


def test_retrying_is_not_advised_where_the_model_is_shown_no_example(
    ruie: Run, database: JobDatabase, bundle_path: Path
) -> None:
    job = job_of(database, 8, 2)
    assert "were given up" not in ruie("status", RUIE_BUNDLE=str(bundle_path)).stderr  # it ended
    for command in (("wait", job), ("status", job)):
        said = ruie(*command, RUIE_BUNDLE=str(bundle_path)).stderr
        assert f"25 % of the items of {job} were given up" in said
        assert "ruie retry" not in said
        assert said.count(f"run `ruie learn {job}`") == 1


def test_ctrl_c_ends_with_130(ruie: Run, database: JobDatabase, upgraded: Path) -> None:
    job = job_of(database, 4, 0, closed=False)
    command = [sys.executable, "-m", "ruie.worker.cli", "wait", job]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RUIE_")}
    waiting = subprocess.Popen(
        command,
        cwd=upgraded.parent,
        env=clean,
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background job, which this test run may be, ignores it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert waiting.stderr is not None
    with waiting:
        try:
            assert waiting.stderr.readline().startswith(f"{job} running")
            waiting.send_signal(signal.SIGINT)
            assert waiting.wait(timeout=PATIENCE_S) == 130
        finally:
            waiting.kill()


def test_the_client_waits_until_a_job_has_ended(database_url: str) -> None:
    client = Client(load(database_url=database_url))
    database = JobDatabase(client.engine)
    job = job_of(database, 4, 0, closed=False)
    with pytest.raises(UnavailableError, match=f"{job} is still running after 0 s"):
        client.wait(job, timeout_s=0)
    with pytest.raises(DatabaseError, match="no job job_0"):
        client.wait("job_0")
    pause(client.engine, job, "day_cap")
    assert client.progress(job).ok is None
    pause(client.engine, job, "error")
    blocked = client.wait(job)
    assert (blocked.state, blocked.paused_by, blocked.blocked, blocked.ok) == (
        "paused",
        "error",
        True,
        False,
    )
    done = client.wait(job_of(database, 20, 1))
    assert (done.ended, done.quarantined_share, done.ok) == (True, 0.05, True)
    client.engine.dispose()


def test_a_database_that_is_away_is_waited_for(postgresql_server: Server) -> None:
    url = postgresql_server.current()
    client = Client(load(database_url=url))
    job = job_of(JobDatabase(client.engine), 4, 0, closed=False)
    with ThreadPoolExecutor() as pool:
        told: list[JobProgress] = []
        waiting = pool.submit(wait_for, client.engine, [job], 0.05, 120, told.append)
        wait_until(lambda: told)
        postgresql_server.crash()
        again = open_engine(url)
        with again.begin() as conn:
            job_states.set_job_state(conn, job, "cancelled", "by hand")
        assert [progress.state for progress in waiting.result(60)] == ["cancelled"]
    client.engine.dispose()
    again.dispose()
