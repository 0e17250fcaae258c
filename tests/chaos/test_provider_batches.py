"""Jobs in batches at the provider: whatever dies or fails meanwhile, nothing is lost, nothing paid
for twice, no batch left behind, and the books equal the bill."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.batch_provider import BatchProvider, Fault
from support.batch_provider_audit import BatchAudit
from support.databases import Server
from support.fleet import Fleet
from support.metering import Plan
from support.scene import PLAN, SETTINGS, Scene

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


def audit(scene: Scene, provider: BatchProvider, since: float) -> BatchAudit:
    people = frozenset(row["text"].split()[0] for row in scene.corpus)
    return BatchAudit(
        scene.engine, provider.books(), scene.job_id, since, provider.log(), people
    )


def test_a_job_in_batches(scene: Scene, provider: BatchProvider) -> None:
    since = time.time()
    provider.behave_in_batches(in_progress_s=1.0)
    scene.enqueue(40, mode="batch")
    scene.until_closed()
    done = audit(scene, provider, since)
    print(done.figures())
    done.check()
