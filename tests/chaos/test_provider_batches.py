"""Jobs in batches at the provider: whatever dies or fails meanwhile, nothing is lost, nothing paid
for twice, no batch left behind, and the books equal the bill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.batch_provider import BatchProvider, Fault
from support.batch_scene import BATCHES, BatchScene
from support.corpus import SCHEMA
from support.databases import Server
from support.fleet import Fleet
from support.scene import PLAN, SETTINGS, Scene
from support.waiting import PATIENCE_S, wait_until

from ruie.db import job_states

SLOW = pytest.mark.slow


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


@pytest.fixture
def batches(scene: Scene, provider: BatchProvider) -> BatchScene:
    made = BatchScene(scene, provider)
    made.faults()
    return made


@pytest.mark.scene("a job in batches")
@pytest.mark.slow
def test_a_job_in_batches(batches: BatchScene) -> None:
    batches.enqueue()
    batches.end()


@pytest.mark.scene("batch not confirmed")
@pytest.mark.parametrize(
    "how",
    ["lost", *(pytest.param(how, marks=SLOW) for how in ("lost hang", "lost 502", "cut", "500"))],
)
def test_a_create_whose_answer_is_lost(batches: BatchScene, how: str) -> None:
    """The provider has the batch, or has not, and nobody knows: it is sought before anything is
    sent again."""
    batches.faults(Fault(f"create {how}", most=2))
    batches.enqueue()
    audit = batches.end()
    assert audit.doubled_by_provider() == 0


@pytest.mark.scene("batch created late")
@pytest.mark.slow
def test_a_create_that_is_carried_out_long_after(batches: BatchScene) -> None:
    """When it has been sought in vain and is sent again, the first can make no batch any more."""
    batches.faults(Fault("create late", most=2, seconds=7.0))
    batches.enqueue()
    batches.end()


@pytest.mark.scene("batch made twice")
@pytest.mark.slow
def test_a_provider_that_makes_two_of_one(batches: BatchScene) -> None:
    batches.faults(Fault("twice", most=2))
    batches.enqueue()
    audit = batches.end()
    assert audit.booked() == audit.bill()


@pytest.mark.scene("provider of batches")
@pytest.mark.slow
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


@pytest.mark.scene("requests of batches fail")
@pytest.mark.slow
def test_requests_that_fail(batches: BatchScene) -> None:
    batches.scene.behave(faults=0.3, kinds=("500", "429 bare", "503", "length"), most=1)
    batches.enqueue()
    batches.end()


@pytest.mark.scene("batch of errors alone")
@pytest.mark.slow
def test_a_batch_without_an_answer(batches: BatchScene) -> None:
    """There is a file of errors, and none of answers."""
    batches.scene.behave(faults=1.0, kinds=("500",), most=1)
    batches.enqueue(20)
    batches.end()


@pytest.mark.scene("provider without batches")
@pytest.mark.slow
@pytest.mark.parametrize("fault", ["upload 404", "create 401"])
def test_a_provider_that_takes_no_batches(batches: BatchScene, fault: str) -> None:
    """The job pauses with the reason, and goes on in another mode."""
    batches.faults(Fault(fault))
    batches.enqueue(20)
    wait_until(lambda: batches.progress().state == "paused", 2 * PATIENCE_S)
    assert batches.progress().paused_by == "error"
    client = batches.scene.fleet.client
    client.change_job(batches.scene.job_id, mode="standard")
    client.resume(batches.scene.job_id)
    batches.faults()
    batches.end()
    mine = f"job_id = '{batches.scene.job_id}'"
    assert batches.count("extractions", f"provider_batch_id IS NOT NULL AND {mine}") == 0


@pytest.mark.scene("cap with batches")
@pytest.mark.slow
def test_a_cap(batches: BatchScene) -> None:
    """Batches are as large as the cap leaves room for; it pauses, and goes on when it is raised."""
    batches.enqueue(cap_usd=0.004)
    wait_until(lambda: batches.progress().state == "paused", 2 * PATIENCE_S)
    wait_until(lambda: set(batches.states()) <= {"done", "failed"})
    assert batches.audit().bill() <= 4_000_000
    with batches.scene.engine.begin() as conn:
        job_states.set_cap(conn, batches.scene.job_id, 10**9)
    batches.end(cap_nusd=10**9)


@pytest.mark.scene("coordinator of batches killed")
@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        pytest.param(Fault("upload slow", most=1, seconds=1.0), "upload", marks=SLOW),
        (Fault("create slow", most=1, seconds=1.0), "create"),
        pytest.param(Fault("content slow", most=1, seconds=1.0), "content", marks=SLOW),
        pytest.param(Fault("delete slow", most=1, seconds=1.0), "delete", marks=SLOW),
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


@pytest.mark.scene("worker killed while it reads a batch")
@pytest.mark.slow
def test_a_worker_is_killed_while_it_reads_answers(batches: BatchScene) -> None:
    batches.enqueue()
    wait_until(lambda: batches.count("provider_requests", "state = 'answered'") > 0)
    batches.scene.alive("worker")[0].kill()
    batches.scene.start("worker")
    batches.end()


@pytest.mark.scene("leader frozen across a create")
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


@pytest.mark.scene("servers restarted under batches")
@pytest.mark.slow
def test_the_servers_are_restarted(batches: BatchScene) -> None:
    batches.faults(in_progress_s=3.0)
    batches.enqueue()
    batches.when("create")
    batches.scene.server.crash()
    batches.scene.fleet.restart_redis()
    batches.end()


@pytest.mark.scene("job with batches cancelled")
@pytest.mark.slow
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


@pytest.mark.scene("batch not done in time")
@pytest.mark.slow
def test_a_batch_that_is_not_done_in_time(batches: BatchScene) -> None:
    """It is cancelled, and what is left is asked one by one."""
    batches.faults(Fault("stuck", most=1))
    for coordinator in batches.scene.alive("coordinator"):
        coordinator.terminate()
    batches.scene.start("coordinator", RUIE_LLM_BATCH_DEADLINE_H="0.002")
    batches.enqueue(fallback="standard")
    batches.end()
    modes = "id IN (SELECT extraction_id FROM work_items WHERE mode = 'standard')"
    assert batches.count("extractions", f"provider_batch_id IS NULL AND {modes}")


@pytest.mark.scene("same documents in a batch")
@pytest.mark.slow
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
