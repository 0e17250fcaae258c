"""Processes that say that they are alive, and what comes of it on the page of the fleet."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from support.endpoint import ScriptedEndpoint
from support.fleet import Fleet
from support.pages_server import Visitor, serving
from support.replies import HANG
from support.waiting import wait_until

from ruie import __version__
from ruie.db import processes
from ruie.db.engine import open_engine, reading
from ruie.settings import load
from ruie.worker.batches.child import Child
from ruie.worker.heartbeat import Heartbeat

TEXTS = '{"id": "a", "text": "Ada left Orvane."}\n{"id": "b", "text": "Mara left Orvane."}\n'


def seen(fleet: Fleet) -> list[processes.Seen]:
    with reading(fleet.client.engine) as conn:
        return processes.seen(conn)


def kinds(fleet: Fleet) -> list[str]:
    return [each.identity.kind for each in seen(fleet) if not each.silent]


def test_who_is_there_what_each_does_and_who_has_ended(
    database_url: str, tmp_path: Path, bundle_path: Path
) -> None:
    """Two coordinators and a worker that waits, then one that has calls that are not answered; at
    last all are stopped in order but one."""
    (tmp_path / "a.jsonl").write_text(TEXTS)
    (tmp_path / "s.yaml").write_text("name: staff\nentities: [PERSON, ORGANISATION]\n")
    with (
        ScriptedEndpoint(HANG) as endpoint,
        Fleet(tmp_path, database_url, bundle_path, endpoint.url, concurrency=2) as fleet,
        serving(fleet.settings) as url,
    ):
        started = [fleet.start(name) for name in ("coordinator", "coordinator", "worker")]
        wait_until(lambda: kinds(fleet) == ["coordinator", "coordinator", "worker", "worker"])
        page = Visitor(url).get("/fleet").words
        for said in ("leads; 1 stands by", "2 processes; 0 have 0 items", "coordinator, stands by",
                     "worker, waits", __version__):  # fmt: skip  # what is said
            assert said in page

        job = fleet.ruie("enqueue", "a.jsonl", "--schema", "s.yaml")
        wait_until(lambda: sum(each.doing.calls for each in seen(fleet)) == 2)
        busy = [each for each in seen(fleet) if each.doing.calls]  # each of them has one
        assert len({each.doing.batch for each in busy} - {None}) == 2
        assert [each.doing.priority for each in busy] == [0, 0]
        with fleet.client.engine.connect() as conn:
            owners = conn.exec_driver_sql("SELECT lease_owner FROM work_items").scalars().all()
        assert sorted(owners) == sorted(each.identity.name for each in busy)
        wait_until(lambda: "worker, normal: a" in Visitor(url).get("/fleet").words)
        assert "2 worker processes with 2 items" in fleet.ruie("status", job)

        fleet.client.cancel(job)
        started[0].kill()  # it says nothing more, and stays as it was seen last
        assert started[1].terminate() == 0
        assert started[2].terminate() == 0
        (left,) = seen(fleet)
        assert left.identity.pid == started[0].pid


def test_a_database_that_is_away_is_said_once_and_nothing_waits_for_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = [True]

    def transact(action: Callable[[Connection], object]) -> None:
        if away[0]:
            raise OperationalError("BEGIN", {}, Exception("the server is away"))

    monkeypatch.setattr(processes, "BEAT_S", 0.0)
    heartbeat = Heartbeat("worker", "host:1:ab", transact)
    with caplog.at_level(logging.WARNING, "ruie.heartbeat"):
        for _ in range(3):
            heartbeat.beat()
        assert len(caplog.records) == 1
        assert "the server is away" in caplog.text
        away[0] = False
        heartbeat.beat()
        away[0] = True
        heartbeat.leave()
        assert len(caplog.records) == 2


def test_a_worker_process_starts_and_ends_without_its_database(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = f"sqlite:///{tmp_path}/none/ruie.db"
    child = Child(load(database_url=nowhere, redis_url=""))
    with caplog.at_level(logging.WARNING, "ruie.heartbeat"):
        child.start()
        wait_until(lambda: caplog.records)
        child.close()
    assert len(caplog.records) == 1


def test_a_worker_process_is_there_from_its_start_to_its_end(database_url: str) -> None:
    engine = open_engine(database_url)

    def names() -> list[str]:
        with reading(engine) as conn:
            return [each.identity.name for each in processes.seen(conn)]

    child = Child(load(database_url=database_url, redis_url=""))
    child.start()
    wait_until(lambda: names() == [child.name])
    child.close()
    assert names() == []
    engine.dispose()
