"""The soak of benchmarks/soak.md for a minute: documents arrive, each part is restarted once."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.batch_provider import BatchProvider
from support.databases import Server
from support.fleet import Fleet
from support.metered import MeteredEndpoint
from support.scene import Scene
from support.soak import Soak
from support.soak_audit import audit
from support.soak_plan import Sizes, plan, settings


@pytest.mark.scene("soak")
@pytest.mark.parametrize("batch", [False, pytest.param(True, marks=pytest.mark.slow, id="batches")])
def test_a_soak(
    postgresql_server: Server,
    bundle_path: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    batch: bool,
) -> None:
    sizes = Sizes(
        minutes=1.0,
        documents=300,
        quarter_s=45.0,
        sample_s=3.0,
        tail_s=15.0,
        batch=batch,
        spare=3.0,
    )
    (home := tmp_path / "home").mkdir(mode=0o700)
    with (
        BatchProvider(plan(sizes), tmp_path)
        if batch
        else MeteredEndpoint(plan(sizes), tmp_path, tmp_path / "journal.jsonl") as endpoint,
        Fleet(
            home, postgresql_server.current(), bundle_path, endpoint.url, **settings(sizes)
        ) as fleet,
    ):
        soak = Soak(Scene(fleet, endpoint, postgresql_server, 1), sizes, tmp_path / "measured")
        soak.run()
        report = audit(soak)
    request.node.user_properties.append(("figures", report.line()))
    report.check()
    parts = {
        "worker",
        "coordinator",
        "redis",
        "postgresql",
        "web",
        *([] if batch else ["endpoint"]),
    }
    assert {event["part"] for event in soak.read("events")} == parts
    assert soak.read("samples")[-1]["temporary"]["files"] == 0
