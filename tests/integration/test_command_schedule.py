"""`ruie schedule` with real coordinator processes, one of which is killed in a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from support.waiting import wait_until

from db.engine import open_engine

Run = Callable[..., subprocess.CompletedProcess[str]]
ADD = ("--cron", "0 2 * * *", "--tz", "Europe/Berlin", "--schema", "news.yaml")


@pytest.fixture
def engine(upgraded: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{upgraded}")
    yield opened
    opened.dispose()


@pytest.fixture
def coordinate(tmp_path: Path, url: str) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a coordinator in the test's folder."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("RUIE_")}
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "worker.cli", "coordinator"],
                cwd=tmp_path,
                env={**clean, "RUIE_REDIS_URL": url},
                stderr=(tmp_path / f"coordinator-{len(started)}.log").open("wb"),
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def states(engine: Engine) -> list[str]:
    with engine.connect() as conn:
        return list(conn.scalars(text("SELECT state FROM schedule_runs ORDER BY id")))


def test_due_times_come_and_two_coordinators_run(
    ruie: Run, engine: Engine, tmp_path: Path, coordinate: Callable[[], subprocess.Popen[bytes]]
) -> None:
    (tmp_path / "in.jsonl").write_text('{"id": "a", "text": "Ada went to Rome ."}\n')
    made = ruie("schedule", "add", "news", "--source", "in.jsonl", *ADD)
    assert made.returncode == 0, made.stderr
    (tmp_path / "news.yaml").unlink()  # the schema's content is stored
    coordinate(), coordinate()
    with engine.begin() as conn:
        conn.execute(text("UPDATE schedules SET next_due_at = '2026-01-01 01:00:00.000000'"))
    wait_until(lambda: states(engine) == ["done"], 40)
    told = json.loads(ruie("schedule", "list", "--json").stdout)[0]
    assert told["last_run"]["counts"]["documents"] == 1
    assert told["last_run"]["job_state"] == "running"
    shown = ruie("schedule", "list").stdout
    assert "02:00 +0" in shown
    assert told["last_run"]["job_id"] in shown


def test_a_killed_coordinators_run_is_taken_up(
    ruie: Run, engine: Engine, tmp_path: Path, coordinate: Callable[[], subprocess.Popen[bytes]]
) -> None:
    pipe = tmp_path / "in.jsonl"  # reading waits until somebody writes
    os.mkfifo(pipe)
    assert ruie("schedule", "add", "news", "--source", "in.jsonl", *ADD).returncode == 0
    assert ruie("schedule", "run", "news").returncode == 0
    first = coordinate()
    wait_until(lambda: states(engine) == ["running"], 40)
    first.send_signal(signal.SIGKILL)
    first.wait()
    pipe.unlink()
    pipe.write_text('{"id": "a", "text": "Ada went to Rome ."}\n')
    with engine.begin() as conn:  # rather than wait for the lease's end
        conn.execute(text("UPDATE schedule_runs SET lease_expires = '2026-01-01 00:00:00.000000'"))
    coordinate()
    wait_until(lambda: states(engine) == ["done"], 40)
    told = json.loads(ruie("schedule", "show", "news", "--json").stdout)
    assert [run["attempts"] for run in told["runs"]] == [2]


def test_what_is_wrong(ruie: Run, engine: Engine) -> None:
    add = ("schedule", "add", "news", "--source", "x.jsonl", "--schema", "news.yaml", "--cron")
    for arguments, words in [
        ((*add, "61 * * * *"), "bad minute"),
        ((*add, "0 2 * * *", "--tz", "Europe/Nowhere"), "no time zone 'Europe/Nowhere'"),
        (("schedule", "run", "x"), "no schedule x"),
        (("schedule", "show", "x"), "no schedule x"),
        (("schedule", "remove", "x"), "no schedule x"),
    ]:
        done = ruie(*arguments)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    with engine.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM schedules")).scalar() == 0
