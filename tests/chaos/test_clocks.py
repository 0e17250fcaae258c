"""Processes whose clocks are wrong: what counts is the clock of PostgreSQL, of Redis, or, for what
an endpoint says, of the endpoint."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.corpus import SCHEMA, rows
from support.fleet import Process
from support.leading import leader, until_another_leads
from support.scene import CLOCK, Scene
from support.waiting import wait_until

from ruie.db import processes


def shown_clock(process: Process) -> float:
    """The time of the last line that the process logged, in seconds since midnight."""
    times = re.findall(r"^(\d\d):(\d\d):(\d\d) ", process.output(), re.MULTILINE)
    hours, minutes, seconds = (int(part) for part in times[-1])
    return hours * 3600.0 + minutes * 60 + seconds


def end_when_ready(worker: Process) -> None:
    wait_until(lambda: "ready" in worker.output())
    assert worker.terminate() == 0


def start_at(scene: Scene, command: str, shift_s: int) -> Process:
    """Start one whose clock is so many seconds ahead."""
    path = os.pathsep.join(filter(None, [str(CLOCK), os.environ.get("PYTHONPATH", "")]))
    return scene.start(command, PYTHONPATH=path, CHAOS_CLOCK_S=str(shift_s))


@pytest.mark.scene("clocks")
@pytest.mark.slow
def test_two_workers_with_clocks_an_hour_apart(scene: Scene) -> None:
    """Half an hour slow and half an hour fast: leases, retries and pauses are not affected, nor is
    an endpoint's Retry-After that is a date."""
    for worker in scene.alive("worker"):
        end_when_ready(worker)
    wrong = {shift: start_at(scene, "worker", shift) for shift in (-1800, 1800)}
    scene.behave(faults=0.05, kinds=("429 date", "500"))
    scene.enqueue(25)
    scene.until_closed()
    today = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
    for shift, worker in wrong.items():
        shown = shown_clock(worker) - (datetime.now() - today).total_seconds()
        off = (shown - shift + 43200) % 86400 - 43200
        assert abs(off) < 60, f"its clock is off by {shown:.0f} s, not by {shift}"
        worker.terminate()
    scene.audit()


@pytest.fixture
def every_minute(scene: Scene, tmp_path: Path) -> Iterator[str]:
    """A schedule that is due every minute; gives its name."""
    source, schema = tmp_path / "news.jsonl", tmp_path / "names.yaml"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows(3, 4000)))
    schema.write_text(json.dumps(SCHEMA.body()))
    what = ("--source", str(source), "--schema", str(schema))
    scene.fleet.ruie("schedule", "add", "every-minute", "--cron", "* * * * *", *what)
    yield "every-minute"
    scene.fleet.ruie("schedule", "remove", "every-minute")


@pytest.mark.scene("clocks apart")
@pytest.mark.slow
def test_coordinators_and_workers_with_clocks_apart(scene: Scene, every_minute: str) -> None:
    """Ten minutes slow and ten minutes fast, one of each kind, and the coordinator that leads is
    killed. Schedules fire when PostgreSQL's clock says so, once, and nobody seems silent."""
    for process in scene.alive("worker") + scene.alive("coordinator"):
        process.kill()
    began = scene.scalar("SELECT statement_timestamp()")
    for command in ("coordinator", "worker"):
        for shift_s in (-600, 600):
            start_at(scene, command, shift_s)
    scene.behave(faults=0.05, kinds=("429 date", "500"))
    scene.enqueue(60)
    scene.until_done(60)
    first = leader(scene)
    assert first is not None
    first.kill()
    until_another_leads(scene, first)
    wait_until(lambda: len(due_times(scene, every_minute)) > 1)
    scene.until_closed()
    scene.audit(lost_calls=0)
    now = scene.scalar("SELECT statement_timestamp()")
    due = due_times(scene, every_minute)
    assert all(began < at <= now for at in due)
    assert [at - due[0] for at in due] == [timedelta(minutes=n) for n in range(len(due))]
    check_who_is_alive(scene, began)
    for process in scene.alive("worker") + scene.alive("coordinator"):
        process.kill()


def due_times(scene: Scene, schedule: str) -> list[datetime]:
    """When it was due, of every run that is done."""
    found = """SELECT array_agg(due_at ORDER BY due_at) FROM schedule_runs r
    JOIN schedules s ON s.id = r.schedule_id WHERE s.name = :name AND r.state = 'done'"""
    return list(scene.scalar(found, name=schedule) or ())


def check_who_is_alive(scene: Scene, began: datetime) -> None:
    """Each process says that it is, and since when, by PostgreSQL's clock."""
    with scene.engine.connect() as conn:
        seen = {each.identity.pid: each for each in processes.seen(conn)}
    (coordinator,) = scene.alive("coordinator")
    assert coordinator.pid in seen
    alive = [each for each in seen.values() if each.started_at > began - timedelta(seconds=60)]
    assert {each.identity.kind for each in alive if not each.silent} == {"coordinator", "worker"}
    assert all(each.seen_at >= each.started_at for each in alive)
