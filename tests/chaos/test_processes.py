"""Workers and servers that die."""

from __future__ import annotations

import os
import signal
import time

import pytest
from support.metering import Quota
from support.peers import children
from support.scene import Scene
from support.waiting import wait_until


@pytest.mark.scene("workers killed")
def test_workers_killed_at_random(scene: Scene) -> None:
    """`kill -9` every 1.5 s: of a worker with all its processes, or only of its child."""
    scene.staff(workers=4)
    scene.enqueue(100)
    scene.until_done(40)
    due = time.monotonic()

    def kill_one() -> None:
        nonlocal due
        if time.monotonic() < due or scene.killed >= 4:
            return
        due = time.monotonic() + 1.5
        worker = scene.rng.choice(scene.alive("worker"))
        if scene.killed % 2:
            for pid in children(worker.pid):
                os.kill(pid, signal.SIGKILL)
            scene.killed += 1
        else:
            scene.kill(worker)
            scene.start("worker")

    scene.until_closed(meanwhile=kill_one)
    assert scene.killed >= 3
    scene.audit()


@pytest.mark.scene("Redis emptied")
def test_redis_restarted_empty_three_times(scene: Scene) -> None:
    scene.enqueue(100)
    for share in (60, 160, 260):
        scene.until_done(share)
        scene.fleet.restart_redis()
    scene.until_closed()
    scene.audit(lost_calls=0)


@pytest.mark.scene("PostgreSQL crashed")
def test_postgresql_restarted_in_mid_transaction(scene: Scene) -> None:
    """An immediate shutdown while a worker's transaction is open."""
    busy = (
        "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name LIKE 'worker%'"
        " AND state <> 'idle' AND pid <> pg_backend_pid()"
    )
    scene.enqueue(90)
    for share in (60, 200):
        scene.until_done(share)
        wait_until(lambda: scene.scalar(busy))
        scene.server.crash()
    scene.until_closed()
    scene.audit(lost_calls=0)


@pytest.mark.scene("full quota")
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_full_quota_and_a_redis_that_forgets(scene: Scene) -> None:
    """The limit binds all the time. Whatever Redis lost, no minute holds more than the limit."""
    for worker in scene.alive("worker"):
        scene.kill(worker)
    quota = Quota(requests=600, requests_per_second=20)
    scene.behave(quota=quota)
    for _ in range(3):
        scene.start("worker", RUIE_LLM_REQUESTS_PER_MINUTE=str(quota.requests))
    scene.enqueue(350)
    for share in (200, 600, 1000):
        scene.until_done(share)
        scene.fleet.restart_redis()
    scene.until_closed(300)
    for worker in scene.alive("worker"):
        assert worker.terminate() == 0
    log = scene.audit(lost_calls=0, log=scene.mine(), quota=quota)
    took = max(entry.at for entry in log) - min(entry.at for entry in log)
    assert took > 60 * (len(log) / quota.requests - 1), "the limit did not bind"
