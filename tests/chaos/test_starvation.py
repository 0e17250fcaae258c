"""A machine with far too little CPU for what runs on it, and workers that are stopped for longer
than their leases of 3 s: they are alive, and come back to items that others may have by then."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from support.fleet import Process
from support.peers import children
from support.scene import AT_RISK, Scene
from support.waiting import wait_until

HOGS = 10
"""Processes that take all the CPU time they can get."""


@pytest.fixture
def hogs() -> Iterator[None]:
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(HOGS)]
    yield
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.scene("starvation")
@pytest.mark.usefixtures("hogs")
def test_a_machine_with_too_little_cpu(scene: Scene) -> None:
    """Two workers are started meanwhile. A call is paid for twice only where its lease ran out
    while it was in flight: in 100 calls, at most one."""
    scene.staff(workers=4)
    scene.enqueue(80)
    scene.until_closed(300)
    scene.audit(lost_calls=len(scene.mine()) // 100)


@pytest.mark.scene("worker stopped")
def test_workers_stopped_past_their_leases(scene: Scene) -> None:
    """SIGSTOP with items leased, and SIGCONT once the coordinator has taken them back: what the
    worker had not sent by then it does not send any more."""
    scene.enqueue(100)
    stopped = 0
    for share in (40, 150):
        scene.until_done(share)
        worker = scene.alive("worker")[0]
        freeze_with_leases(scene, worker)
        stopped += 1
        until_leases_are_lost(scene)
        worker.thaw()
    scene.until_closed()
    scene.audit(lost_calls=AT_RISK * stopped)


def until_leases_are_lost(scene: Scene) -> None:
    """Until the coordinator has taken items back from a worker."""
    losses = "SELECT SUM(losses) FROM work_items WHERE job_id = :job"
    before = scene.scalar(losses, job=scene.job_id)
    wait_until(lambda: scene.scalar(losses, job=scene.job_id) > before)


def freeze_with_leases(scene: Scene, worker: Process) -> None:
    """Stop it while it holds items."""
    held = "SELECT COUNT(*) FROM work_items WHERE state = 'leased' AND lease_owner LIKE :owner"
    for _ in range(1000):
        worker.freeze()
        if any(scene.scalar(held, owner=f"%:{pid}:%") for pid in children(worker.pid)):
            return
        worker.thaw()
        time.sleep(0.005)
    raise AssertionError(f"{worker.who} never held an item")
