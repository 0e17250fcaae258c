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

from ruie.db.engine import open_engine

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
        with (tmp_path / f"coordinator-{len(started)}.log").open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "ruie.worker.cli", "coordinator"],
                cwd=tmp_path,
                env={**clean, "RUIE_REDIS_URL": url},
                stderr=stderr,
            )
        started.append(process)
        return process

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
    wait_until(lambda: states(engine) == ["done"])
    printed = json.loads(ruie("schedule", "list", "--json").stdout)[0]
    assert printed["last_run"]["counts"]["documents"] == 1
    assert printed["last_run"]["job_state"] == "running"
    shown = ruie("schedule", "list").stdout
    assert "02:00 +0" in shown
    assert printed["last_run"]["job_id"] in shown


def test_a_killed_coordinators_run_is_taken_up(
    ruie: Run, engine: Engine, tmp_path: Path, coordinate: Callable[[], subprocess.Popen[bytes]]
) -> None:
    pipe = tmp_path / "in.jsonl"  # reading waits until somebody writes
    os.mkfifo(pipe)
    assert ruie("schedule", "add", "news", "--source", "in.jsonl", *ADD).returncode == 0
    assert ruie("schedule", "run", "news").returncode == 0
    first = coordinate()
    wait_until(lambda: states(engine) == ["running"])
    first.send_signal(signal.SIGKILL)
    first.wait()
    pipe.unlink()
    pipe.write_text('{"id": "a", "text": "Ada went to Rome ."}\n')
    with engine.begin() as conn:  # rather than wait for the lease's end
        conn.execute(text("UPDATE schedule_runs SET lease_expires = '2026-01-01 00:00:00.000000'"))
    coordinate()
    wait_until(lambda: states(engine) == ["done"])
    printed = json.loads(ruie("schedule", "show", "news", "--json").stdout)
    assert [run["attempts"] for run in printed["runs"]] == [2]
    with engine.connect() as conn:  # the second continued the job of the first
        assert conn.execute(text("SELECT COUNT(*) FROM jobs")).scalar() == 1


def test_a_run_enqueues_what_is_new_or_changed(
    ruie: Run, engine: Engine, tmp_path: Path, coordinate: Callable[[], subprocess.Popen[bytes]]
) -> None:
    rows = ['{"id": "a", "text": "Ada went to Rome ."}\n', '{"id": "b", "text": "Bo stayed ."}\n']
    (tmp_path / "in.jsonl").write_text("".join(rows))
    assert ruie("schedule", "add", "news", "--source", "in.jsonl", *ADD).returncode == 0
    coordinate()
    assert ruie("schedule", "run", "news", "--wait").returncode == 0
    with engine.begin() as conn:  # as if workers had answered
        conn.execute(text("UPDATE jobs SET state = 'done'"))
    rows = [rows[0], '{"id": "c", "text": "Cy came ."}\n']
    (tmp_path / "in.jsonl").write_text("".join(rows))
    done = ruie("schedule", "run", "news", "--wait")
    assert done.returncode == 0, done.stderr
    printed = json.loads(ruie("schedule", "show", "news", "--json").stdout)["runs"][0]["counts"]
    assert printed == {
        "documents": 1, "new": 1, "changed": 0, "unchanged": 1, "removed": 1, "refused": 0,
    }  # fmt: skip  # one line's worth


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


def test_columns_are_mapped_in_each_run(
    ruie: Run, engine: Engine, tmp_path: Path, coordinate: Callable[[], subprocess.Popen[bytes]]
) -> None:
    (tmp_path / "in.data").write_text("url,body,title,price\nu1,Ada went to Rome .,A trip,3\n")
    columns = ("--text", "body", "--id", "url", "--meta", "title", "--input-format", "csv")
    add = ("schedule", "add", "news", "--source", "in.data", *ADD, *columns, "--context", "title")
    assert ruie(*add).returncode == 0
    coordinate()
    assert ruie("schedule", "run", "news", "--wait").returncode == 0
    with engine.connect() as conn:
        stored = conn.execute(text("SELECT external_id, metadata FROM origins")).all()
        settings = conn.execute(text("SELECT settings FROM jobs")).scalar_one()
    assert [tuple(row) for row in stored] == [("u1", '{"title": "A trip"}')]
    assert json.loads(settings)["context"] == "title"


def test_credentials_in_a_url_are_not_shown(ruie: Run, engine: Engine) -> None:
    url = "https://ada:secret@example.org/in.jsonl?sig=abc"
    assert ruie("schedule", "add", "news", "--source", url, *ADD).returncode == 0
    for arguments in (("list", "--json"), ("show", "news"), ("show", "news", "--json")):
        shown = ruie("schedule", *arguments).stdout
        assert "example.org/in.jsonl" in shown
        assert "secret" not in shown
        assert "abc" not in shown
