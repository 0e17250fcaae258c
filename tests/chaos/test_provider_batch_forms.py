"""Jobs in batches of the other forms: Anthropic's, Mistral's and OpenRouter's. What holds of
OpenAI's (test_provider_batches.py) holds of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.batch_provider import BatchProvider, Fault
from support.batch_requests import ask, requests
from support.batch_scene import BATCHES, BatchScene
from support.databases import Server
from support.fleet import Fleet
from support.scene import PLAN, SETTINGS, Scene
from support.waiting import PATIENCE_S, wait_until

FORMS = ("anthropic", "mistral", "inline")


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def provider(form: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchProvider]:
    with BatchProvider(PLAN, tmp_path_factory.mktemp(form)) as running:
        yield running


@pytest.fixture(scope="module")
def fleet(
    form: str,
    tmp_path_factory: pytest.TempPathFactory,
    postgresql_server: Server,
    bundle_path: Path,
    provider: BatchProvider,
) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp(f"{form}-fleet")
    api = "messages" if form == "anthropic" else "chat"
    settings = {**SETTINGS, **BATCHES, "llm_batches": form, "llm_api": api}
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


@pytest.mark.scene("other forms: batch not confirmed")
def test_a_job_and_a_create_whose_answer_is_lost(batches: BatchScene, form: str) -> None:
    batches.faults(Fault("create lost", most=1))
    batches.enqueue()
    audit = batches.end()
    assert {batch.form for batch in audit.batches} == {form}
    assert audit.doubled_by_provider() == 0


@pytest.mark.scene("other forms: provider of batches")
@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        Fault("create lost 502", most=2), Fault("create cut", most=2),
        Fault("create 429", most=2), Fault("expire", most=2, part=0.5),
        Fault("cancelled", most=2, part=0.5), Fault("drop", part=0.3, most=2),
        Fault("repeat", part=0.5), Fault("shuffle"), Fault("any 500", share=0.2),
        Fault("unlisted", seconds=2.0), Fault("twice", most=2),
    ],
    ids=lambda fault: fault.kind,
)  # fmt: skip  # a fault is a few words
def test_what_a_provider_does(batches: BatchScene, fault: Fault) -> None:
    batches.faults(fault)
    batches.enqueue()
    audit = batches.end()
    if fault.kind == "twice":
        assert audit.booked() == audit.bill()


@pytest.mark.scene("other forms: requests fail")
@pytest.mark.slow
def test_requests_that_fail(batches: BatchScene) -> None:
    batches.scene.behave(faults=0.3, kinds=("500", "429 bare", "503", "length"), most=1)
    batches.enqueue()
    batches.end()


@pytest.mark.scene("other forms: coordinator killed")
@pytest.mark.slow
@pytest.mark.parametrize("asked", ["create", "poll"])
def test_the_coordinator_is_killed(batches: BatchScene, asked: str) -> None:
    batches.faults(Fault(f"{asked} slow", most=1, seconds=1.0))
    batches.enqueue()
    batches.when(asked)
    batches.scene.alive("coordinator")[0].kill()
    batches.scene.start("coordinator")
    batches.end()


@pytest.mark.scene("other forms: batch cancelled")
@pytest.mark.slow
def test_a_batch_is_cancelled(batches: BatchScene) -> None:
    """What it has done by then is recorded, also where it goes on regardless."""
    batches.faults(in_progress_s=3.0)
    batches.enqueue()
    wait_until(lambda: batches.count("provider_batches", "state = 'running'") > 0)
    client = batches.scene.fleet.client
    number = next(each.id for each in client.batches() if each.state == "running")
    client.cancel_batch(number)
    assert batches.progress().state == "paused"
    wait_until(lambda: set(batches.states()) <= {"done", "failed"}, 2 * PATIENCE_S)
    batches.faults()
    client.resume(batches.scene.job_id)
    batches.end()


@pytest.mark.scene("others use the account")
@pytest.mark.slow
@pytest.mark.parametrize("form", ["anthropic"], indirect=True, scope="module")
def test_others_use_the_account(batches: BatchScene) -> None:
    """A batch of as many requests, of the same minute, is neither taken for ours nor cancelled."""
    batches.faults(Fault("create lost", most=1), in_progress_s=5.0)
    batches.enqueue()
    batches.when("create")
    count = int(batches.scene.scalar("SELECT MAX(requests) FROM provider_batches"))
    others = [
        {"custom_id": r["custom_id"], "params": r["body"]}
        for r in requests(count, series=69, token="f" * 24)
    ]
    _, made = ask("POST", f"{batches.provider.url}/messages/batches", {"requests": others})
    batches.scene.until_closed(2 * PATIENCE_S)
    wait_until(lambda: set(batches.states()) <= {"done", "failed"}, 2 * PATIENCE_S)
    stranger = next(b for b in batches.provider.books().batches() if b.id == made["id"])
    assert (stranger.state, stranger.cancelled_by, stranger.deleted) == ("completed", "", False)
    audit = batches.audit()
    assert [each.id for each in audit.orphans()] == [stranger.id]
    assert (audit.doubled_by_ruie(), audit.doubled_by_provider()) == (0, 0)
    assert audit.booked() == audit.bill()
