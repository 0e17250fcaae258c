"""All disruptions in one job: for a minute in CI, for ten on demand."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest
from support.corpus import POISON
from support.fleet import Process
from support.metering import MIXED
from support.peers import children
from support.scene import AT_RISK, Scene

DOCUMENTS_A_SECOND = 3.0
"""What this fleet processes while it is being broken, so that it does not run out of work."""


class Disruptions:
    """One at a time, in random order; after each the fleet can continue."""

    def __init__(self, scene: Scene, every_s: float, last: float) -> None:
        self._scene = scene
        self._every_s = every_s
        self._due = time.monotonic() + every_s
        self._last = last
        self._frozen: tuple[Process, float] | None = None
        self.made: Counter[str] = Counter()
        self._kinds: list[Callable[[], None]] = [
            self.worker_killed,
            self.child_killed,
            self.redis_emptied,
            self.postgresql_crashed,
            self.coordinator_killed,
            self.coordinator_frozen,
        ]

    def __call__(self) -> None:
        now = time.monotonic()
        if self._frozen and now > self._frozen[1]:
            self._frozen[0].thaw()
            self._frozen = None
        if now < self._due or now > self._last:
            return
        self._due = now + self._every_s
        # each kind once before any is repeated
        turn = self.made.total() % len(self._kinds)
        if turn == 0:
            self._scene.rng.shuffle(self._kinds)
        disrupt = self._kinds[turn]
        disrupt()
        self.made[disrupt.__name__] += 1

    def worker_killed(self) -> None:
        self._scene.kill(self._scene.rng.choice(self._scene.alive("worker")))
        self._scene.start("worker")

    def child_killed(self) -> None:
        worker = self._scene.rng.choice(self._scene.alive("worker"))
        for pid in children(worker.pid):
            os.kill(pid, signal.SIGKILL)
        self._scene.killed += 1

    def redis_emptied(self) -> None:
        self._scene.fleet.restart_redis()

    def postgresql_crashed(self) -> None:
        self._scene.server.crash()

    def coordinator_killed(self) -> None:
        if self._frozen is None:
            self._scene.alive("coordinator")[0].kill()
            self._scene.start("coordinator")

    def coordinator_frozen(self) -> None:
        if self._frozen is None:
            first = self._scene.alive("coordinator")[0]
            first.freeze()
            self._frozen = (first, time.monotonic() + 8)

    def end(self) -> None:
        if self._frozen:
            self._frozen[0].thaw()


@pytest.mark.scene("everything")
@pytest.mark.parametrize(
    ("seconds", "every_s", "faults"),
    [
        pytest.param(60, 5.0, 0.05, id="a minute"),
        pytest.param(
            600, 8.0, 0.2, id="ten minutes", marks=[pytest.mark.slow, pytest.mark.timeout(1800)]
        ),
    ],
)
def test_everything_at_once(scene: Scene, seconds: float, every_s: float, faults: float) -> None:
    scene.staff(workers=3, coordinators=2)
    scene.behave(faults=faults, kinds=MIXED)
    scene.enqueue(int(seconds * DOCUMENTS_A_SECOND), poison=11)
    disruptions = Disruptions(scene, every_s, time.monotonic() + seconds)
    scene.until_closed(2 * seconds + 60, disruptions)
    disruptions.end()
    assert disruptions.made.total() >= 4, f"too few disruptions: {disruptions.made}"
    log = scene.endpoint.log()
    kills = sum(entry.person.startswith(POISON) and entry.fault == "poison" for entry in log)
    scene.audit(lost_calls=AT_RISK * (scene.killed + kills), log=log)
