"""Jobs in batches at the provider: whatever dies or fails meanwhile, nothing is lost, nothing paid
for twice, no batch left behind, and the books equal the bill."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from support.batch_provider import BatchProvider, Fault
from support.batch_provider_audit import BatchAudit
from support.corpus import SCHEMA
from support.databases import Server
from support.fleet import Fleet, Process
from support.metering import Quota
from support.scene import PLAN, SETTINGS, Scene
from support.waiting import PATIENCE_S, wait_until

from ruie.db import job_states
from ruie.db.progress import JobProgress

BATCHES: dict[str, object] = {
    "llm_batch_wait_s": 2.0,
    "llm_batch_requests": 30,
    "llm_batch_poll_s": 0.5,
    "llm_batch_settle_s": 4.0,
    "llm_prices": {"scripted": {"input": 1.0, "output": 4.0, "batch": [0.5, 2.0]}},
}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchProvider]:
    with BatchProvider(PLAN, tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory,
    postgresql_server: Server,
    bundle_path: Path,
    provider: BatchProvider,
) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("batch-fleet")
    settings = {**SETTINGS, **BATCHES}
    url = postgresql_server.current()
    with Fleet(folder, url, bundle_path, provider.url, **settings) as running:
        yield running


@pytest.fixture
def endpoint(provider: BatchProvider) -> BatchProvider:
    return provider


class BatchScene:
    """A scene whose job is done in batches."""

    def __init__(self, scene: Scene, provider: BatchProvider) -> None:
        self.scene = scene
        self.provider = provider
        self.since = time.time()

    def faults(self, *faults: Fault, **more: Any) -> None:
        self.provider.behave_in_batches(faults=list(faults), **{"in_progress_s": 0.5, **more})

    def enqueue(self, count: int = 40, **options: Any) -> None:
        self.scene.enqueue(count, **{"mode": "batch", **options})

    def progress(self) -> JobProgress:
        return self.scene.fleet.client.progress(self.scene.job_id)

    def when(self, asked: str) -> None:
        """Wait until the provider has been asked for this in this scene."""
        since = self.since
        wait_until(
            lambda: any(call.at >= since for call in self.provider.books().calls(asked)),
            2 * PATIENCE_S,
        )

    def leader(self) -> Process:
        """Of the coordinators that run."""
        pid = str(self.scene.scalar("SELECT holder FROM leadership")).split(":")[-2]
        return next(p for p in self.scene.alive("coordinator") if str(p.pid) == pid)

    def count(self, table: str, where: str) -> int:
        return int(self.scene.scalar(f"SELECT COUNT(*) FROM {table} WHERE {where}"))

    def states(self) -> list[str]:
        with self.scene.engine.connect() as conn:
            return list(conn.execute(text("SELECT state FROM provider_batches")).scalars())

    def end(self, cap_nusd: int | None = None, timeout_s: float = 2 * PATIENCE_S) -> BatchAudit:
        """Until the job is done and nothing is left at the provider; then both audits."""
        self.scene.until_closed(timeout_s)
        wait_until(lambda: set(self.states()) <= {"done", "failed"})
        audit = self.audit()
        self.scene.figures.append(audit.figures())
        audit.check(cap_nusd)
        excused = audit.doubled_by_provider()
        self.scene.audit(excused, self.provider.log(), quota=Quota())
        return audit

    def audit(self) -> BatchAudit:
        people = frozenset(row["text"].split()[0] for row in self.scene.corpus)
        job, books, calls = self.scene.job_id, self.provider.books(), self.provider.log()
        return BatchAudit(self.scene.engine, books, job, self.since, calls, people)


@pytest.fixture
def batches(scene: Scene, provider: BatchProvider) -> BatchScene:
    made = BatchScene(scene, provider)
    made.faults()
    return made


def test_a_job_in_batches(batches: BatchScene) -> None:
    batches.enqueue()
    batches.end()


@pytest.mark.parametrize("how", ["lost", "lost hang", "lost 502", "cut", "500"])
def test_a_create_whose_answer_is_lost(batches: BatchScene, how: str) -> None:
    """The provider has the batch, or has not, and nobody knows: it is sought before anything is
    sent again."""
    batches.faults(Fault(f"create {how}", most=2))
    batches.enqueue()
    audit = batches.end()
    assert audit.doubled_by_provider() == 0


def test_a_create_that_is_carried_out_long_after(batches: BatchScene) -> None:
    """When it has been sought in vain and is sent again, the first can make no batch any more."""
    batches.faults(Fault("create late", most=2, seconds=7.0))
    batches.enqueue()
    batches.end()


def test_a_provider_that_makes_two_of_one(batches: BatchScene) -> None:
    batches.faults(Fault("twice", most=2))
    batches.enqueue()
    audit = batches.end()
    assert audit.booked() == audit.bill()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("expire", most=2, part=0.5), Fault("drop", part=0.3, most=2),
        Fault("repeat", part=0.5), Fault("shuffle"), Fault("token limit", most=2),
        Fault("content 403", most=3), Fault("content half", most=3), Fault("any 500", share=0.2),
        Fault("unlisted", seconds=2.0),
    ],
    ids=lambda fault: fault.kind,
)  # fmt: skip  # a fault is a few words
def test_what_a_provider_does(batches: BatchScene, fault: Fault) -> None:
    batches.faults(fault)
    batches.enqueue()
    batches.end()


def test_requests_that_fail(batches: BatchScene) -> None:
    batches.scene.behave(faults=0.3, kinds=("500", "429 bare", "503", "length"), most=1)
    batches.enqueue()
    batches.end()


def test_a_cap(batches: BatchScene) -> None:
    """Batches are as large as the cap leaves room for; it pauses, and goes on when it is raised."""
    batches.enqueue(cap_usd=0.004)
    wait_until(lambda: batches.progress().state == "paused", 2 * PATIENCE_S)
    wait_until(lambda: set(batches.states()) <= {"done", "failed"})
    assert batches.audit().bill() <= 4_000_000
    with batches.scene.engine.begin() as conn:
        job_states.set_cap(conn, batches.scene.job_id, 10**9)
    batches.end(cap_nusd=10**9)


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        (Fault("upload slow", most=1, seconds=1.0), "upload"),
        (Fault("create slow", most=1, seconds=1.0), "create"),
        (Fault("content slow", most=1, seconds=1.0), "content"),
        (Fault("delete slow", most=1, seconds=1.0), "delete"),
    ],
    ids=("upload", "create", "harvest", "clearing"),
)
def test_the_coordinator_is_killed(batches: BatchScene, fault: Fault, asked: str) -> None:
    batches.faults(fault)
    batches.enqueue()
    batches.when(asked)
    batches.scene.alive("coordinator")[0].kill()
    batches.scene.start("coordinator")
    batches.end()


def test_a_worker_is_killed_while_it_reads_answers(batches: BatchScene) -> None:
    batches.enqueue()
    wait_until(lambda: batches.count("provider_requests", "state = 'answered'") > 0)
    batches.scene.alive("worker")[0].kill()
    batches.scene.start("worker")
    batches.end()


def test_the_leader_is_frozen_across_a_create(batches: BatchScene) -> None:
    """Another leads meanwhile, and seeks what the first has asked for."""
    batches.scene.staff(2, coordinators=2)
    batches.faults(Fault("create slow", most=1, seconds=1.0))
    batches.enqueue()
    batches.when("create")
    leader = batches.leader()
    leader.freeze()
    wait_until(lambda: batches.leader() is not leader)
    batches.scene.until_done(10)
    leader.thaw()
    batches.end()


def test_the_servers_are_restarted(batches: BatchScene) -> None:
    batches.faults(in_progress_s=3.0)
    batches.enqueue()
    batches.when("create")
    batches.scene.server.crash()
    batches.scene.fleet.restart_redis()
    batches.end()


def test_a_cancelled_job_keeps_what_it_has_paid_for(batches: BatchScene) -> None:
    """Its batches are cancelled; what they had answered by then serves the next job that asks."""
    batches.faults(in_progress_s=4.0, cancel_part=0.7)
    batches.enqueue()
    batches.when("create")
    batches.scene.fleet.client.cancel(batches.scene.job_id)
    wait_until(lambda: set(batches.states()) <= {"done", "failed"}, 2 * PATIENCE_S)
    kept = batches.count("provider_requests", "state = 'late'")
    assert kept
    assert batches.audit().booked() == batches.audit().bill()
    batches.faults()
    batches.scene.job_id = batches.scene.fleet.client.enqueue(
        batches.scene.corpus, SCHEMA, mode="batch"
    ).job_id
    batches.scene.until_closed()
    wait_until(lambda: set(batches.states()) <= {"done", "failed"})
    assert batches.audit().doubled_by_ruie() == 0
    assert batches.count("provider_requests", "TRUE") == 0


def test_a_batch_that_is_not_done_in_time(batches: BatchScene) -> None:
    """It is cancelled, and what is left is asked one by one."""
    batches.faults(Fault("stuck", most=1))
    batches.scene.alive("coordinator")[0].terminate()
    batches.scene.start("coordinator", RUIE_LLM_BATCH_DEADLINE_H="0.002")
    batches.enqueue(fallback="standard")
    batches.end()
    modes = "id IN (SELECT extraction_id FROM work_items WHERE mode = 'standard')"
    assert batches.count("extractions", f"provider_batch_id IS NULL AND {modes}")


def test_a_second_job_with_the_same_documents_waits_for_the_first(batches: BatchScene) -> None:
    """Nothing that is in a batch is asked again, also in the ordinary mode."""
    batches.faults(in_progress_s=3.0)
    batches.enqueue(20)
    batches.when("create")
    client = batches.scene.fleet.client
    second = client.enqueue(batches.scene.corpus, SCHEMA).job_id
    batches.end()
    wait_until(lambda: client.progress(second).state == "done", 3 * PATIENCE_S)
    assert client.progress(second).calls == 0
