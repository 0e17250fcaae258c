"""The soak of benchmarks/soak.md for a minute: documents arrive, each part is restarted once."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.databases import Server
from support.fleet import Fleet
from support.metered import MeteredEndpoint
from support.scene import Scene
from support.soak import Sizes, Soak, plan, settings
from support.soak_audit import audit

SIZES = Sizes(minutes=1.0, documents=300, quarter_s=45.0, sample_s=3.0, tail_s=15.0, spare=3.0)


@pytest.mark.scene("soak")
def test_a_soak(postgresql_server: Server, bundle_path: Path, tmp_path: Path) -> None:
    (home := tmp_path / "home").mkdir(mode=0o700)
    journal = tmp_path / "journal.jsonl"
    url = postgresql_server.current()
    with (
        MeteredEndpoint(plan(SIZES), tmp_path, journal) as endpoint,
        Fleet(home, url, bundle_path, endpoint.url, **settings(SIZES)) as fleet,
    ):
        soak = Soak(Scene(fleet, endpoint, postgresql_server, 1), SIZES, tmp_path / "measured")
        soak.run()
        assert {event["part"] for event in soak.read("events")} == {
            "worker", "coordinator", "redis", "postgresql", "web", "endpoint",
        }  # fmt: skip  # one set
        audit(soak).check()
    assert soak.read("samples")[-1]["temporary"]["files"] == 0
