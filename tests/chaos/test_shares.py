"""A live job beside a backfill: each gets its share by weight, and neither starves."""

from __future__ import annotations

import time

import pytest
from support.corpus import SCHEMA, rows
from support.scene import Scene
from support.waiting import wait_until

LIVE_S = 12.0
"""For 80 calls of a live job beside a backfill, seconds; alone they take 2 to 4 s."""


@pytest.mark.scene("shares")
@pytest.mark.slow
def test_a_backfill_never_starves_a_live_job(scene: Scene) -> None:
    client = scene.fleet.client
    backfill = client.enqueue(rows(100, 60), SCHEMA, priority="backfill").job_id
    wait_until(lambda: client.progress(backfill).done > 40)

    before = client.progress(backfill).done
    started = time.monotonic()
    live = scene.enqueue(20, priority="live")
    wait_until(lambda: client.progress(live).state == "done")
    took = time.monotonic() - started
    meanwhile = client.progress(backfill).done - before
    assert took < LIVE_S, f"80 calls of a live job took {took:.1f} s beside a backfill"
    assert meanwhile > 0, "the backfill made no progress"
    scene.audit()

    scene.job_id, scene.corpus = backfill, rows(100, 60)
    scene.until_closed()
    scene.audit()
