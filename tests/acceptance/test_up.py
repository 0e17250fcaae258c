"""`ruie up`: one process that starts everything, does a job, and takes everything with it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from support.endpoint import HANG, ScriptedEndpoint, answer
from support.fleet import Process
from support.pages_server import Visitor
from support.scraped import scrape
from support.waiting import wait_until

from ruie import __version__
from ruie.db.engine import reading
from ruie.schema import Schema
from ruie.settings import Settings, load
from ruie.worker.client import Client
from ruie.worker.embedded.stack import free_port
from ruie.worker.embedded.supervised_process import GRACE_S

SCHEMA = Schema("names", entities={"person": ""})


@pytest.fixture
def config(tmp_path: Path, bundle_path: Path) -> Iterator[Settings]:
    with ScriptedEndpoint(answer("person: Ada")) as endpoint:
        yield load(
            home=tmp_path / "home",
            database_url=f"sqlite:///{tmp_path / 'ruie.db'}",
            bundle=bundle_path,
            llm_base_url=endpoint.url,
            concurrency=1,
            metrics_port=free_port(),
        )


def started_by(config: Settings) -> set[int]:
    """Processes that live with this test's settings: what `up` started, its own children too."""
    mark = f"RUIE_HOME={config.home}".encode()
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes():
                found.add(int(entry.name))
        except OSError:
            continue  # it ended meanwhile, or is not ours
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_everything_ends_with_it(config: Settings, tmp_path: Path, end: signal.Signals) -> None:
    up = Process("up", tmp_path, config.environment())
    wait_until(lambda: "Ready" in up.output() or not up.alive)
    assert up.alive, up.output()
    client = Client(config)
    job_id = client.enqueue([{"text": "Ada went to Rome ."}], SCHEMA).job_id
    wait_until(lambda: client.progress(job_id).state == "done")
    assert len(started_by(config)) > 4  # supervisors, Redis, coordinator, worker and its process
    shown = re.search(r"^pages +(http://127\.0\.0\.1:\d+/)$", up.output(), re.MULTILINE)
    assert shown, up.output()
    assert job_id in Visitor(shown[1]).get("/jobs").text
    shown = re.search(r"^metrics +http://127\.0\.0\.1:(\d+)/metrics$", up.output(), re.MULTILINE)
    assert shown, up.output()
    found = scrape(int(shown[1]))
    assert found is not None
    assert found.value("ruie_coordinator_leads") == 1
    assert found.value("ruie_processes", kind="worker", version=__version__) == 1

    os.kill(up.pid, end)

    wait_until(lambda: not up.alive)
    wait_until(lambda: not started_by(config))


def test_calls_that_take_long_are_given_back_when_it_ends(
    tmp_path: Path, bundle_path: Path
) -> None:
    with ScriptedEndpoint(HANG) as endpoint:
        config = load(
            home=tmp_path / "home",
            database_url=f"sqlite:///{tmp_path / 'ruie.db'}",
            bundle=bundle_path,
            llm_base_url=endpoint.url,
            concurrency=1,
            stop_grace_s=GRACE_S + 1,  # longer than what the other processes have
        )
        up = Process("up", tmp_path, config.environment())
        wait_until(lambda: "Ready" in up.output() or not up.alive)
        client = Client(config)
        client.enqueue([{"text": f"Ada went to Rome in {1900 + i} ."} for i in range(4)], SCHEMA)
        wait_until(lambda: endpoint.in_flight == 1)

        assert up.terminate() == 0

        assert f"calls in flight have {GRACE_S + 1:g} s to finish" in up.output()
        with reading(client.engine) as conn:
            ended = conn.execute(text("SELECT state, attempts, losses FROM work_items")).all()
        assert [tuple(row) for row in ended] == [("pending", 0, 0)] * 4
    client.engine.dispose()
