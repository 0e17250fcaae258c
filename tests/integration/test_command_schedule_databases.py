"""Every `ruie schedule` command, on both databases, with a real coordinator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import update
from support.waiting import wait_until

from ruie.db.engine import open_engine
from ruie.db.models import work_items

Run = Callable[..., subprocess.CompletedProcess[str]]
ADD = ("--cron", "0 2 1 1 *", "--tz", "Europe/Berlin", "--schema", "news.yaml")


@pytest.fixture
def run(ruie: Run, database_url: str, tmp_path: Path) -> Run:
    (tmp_path / "in.jsonl").write_text('{"id": "a", "text": "Ada went to Rome ."}\n')
    return partial(ruie, RUIE_DATABASE_URL=database_url)


@pytest.fixture
def coordinator(tmp_path: Path, url: str, database_url: str) -> Iterator[Path]:
    """A running coordinator; gives its log."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RUIE_")}
    log = tmp_path / "coordinator.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "ruie.worker.cli", "coordinator"],
            cwd=tmp_path,
            env={**clean, "RUIE_REDIS_URL": url, "RUIE_DATABASE_URL": database_url},
            stderr=stderr,
        )
    yield log
    process.kill()
    process.wait()


def give_up(database_url: str, job: str) -> int:
    """Give up all items of a job; returns how many."""
    engine = open_engine(database_url)
    with engine.begin() as conn:
        given_up = update(work_items).where(work_items.c.job_id == job)
        number = conn.execute(given_up.values(state="quarantined")).rowcount
    engine.dispose()
    return number


def test_from_add_to_remove(run: Run, coordinator: Path, database_url: str) -> None:
    wait_until(lambda: "leading" in coordinator.read_text())
    for name in ("news", "other"):
        made = run("schedule", "add", name, "--source", "in.jsonl", *ADD)
        assert made.returncode == 0, made.stderr
        assert "is next due" in made.stderr
    ran = run("schedule", "run", "news", "--wait")
    assert ran.returncode == 0, ran.stderr
    job = ran.stdout.strip()
    assert json.loads(run("status", job, "--json").stdout)["documents"] == 1

    first, second = json.loads(run("schedule", "list", "--json").stdout)
    assert (first["name"], first["last_run"]["state"], first["last_run"]["job_id"]) == (
        "news", "done", job,
    )  # fmt: skip  # a line
    assert (second["name"], second["last_run"]) == ("other", None)
    shown = run("schedule", "list").stdout
    assert job in shown
    assert "Europe/Berlin" in shown
    assert give_up(database_url, job) == 1
    assert ", 1 item given up: 1 documents" in run("schedule", "list", COLUMNS="200").stdout
    printed = json.loads(run("schedule", "show", "news", "--json").stdout)
    assert [(r["state"], r["attempts"]) for r in printed["runs"]] == [("done", 1)]
    assert "0 2 1 1 * (Europe/Berlin)" in run("schedule", "show", "news").stdout

    assert run("schedule", "disable", "news").returncode == 0
    assert "disabled" in run("schedule", "list").stdout
    assert "is next due" in run("schedule", "enable", "news").stderr
    assert "disabled" not in run("schedule", "list").stdout
    for name in ("news", "other"):
        assert run("schedule", "remove", name).returncode == 0
    assert "no schedules" in run("schedule", "list").stderr
    assert run("schedule", "show", "news").returncode == 2
    assert json.loads(run("status", job, "--json").stdout)["documents"] == 1  # its job stays


def test_what_is_wrong(run: Run) -> None:
    add = ("schedule", "add", "news", "--source", "in.jsonl", "--schema", "news.yaml", "--cron")
    assert run(*add, "0 2 * * *").returncode == 0
    for arguments, words in [
        ((*add, "0 2 * * *"), "There is a schedule news already."),
        ((*add, "61 * * * *"), "bad minute"),
        (("schedule", "enable", "x"), "no schedule x"),
        (("schedule", "disable", "x"), "no schedule x"),
        (("schedule", "run", "x"), "no schedule x"),
    ]:
        done = run(*arguments)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert len(json.loads(run("schedule", "list", "--json").stdout)) == 1
