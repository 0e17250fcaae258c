"""The parts of a soak's fleet, and how each is restarted while the others go on."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from support.fleet import Process
from support.metered import MeteredEndpoint
from support.scene import Scene
from support.soak_plan import Sizes

from ruie.worker.embedded.stack import free_port


@dataclass
class Slot:
    """A process that is always there, whoever it is. arguments, env: of each that is started."""

    role: str
    command: str
    process: Process
    arguments: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)


class Restart(NamedTuple):
    """at_s: after the beginning. make: does it, and says how."""

    at_s: float
    part: str
    make: Callable[[], str]


class Parts:
    """Two coordinators, two workers, `ruie web`, and the scene's servers. temporary: TMPDIR of
    all of them."""

    def __init__(self, scene: Scene, temporary: Path) -> None:
        self._scene = scene
        self._temporary = temporary
        self.slots: dict[str, Slot] = {}
        self.web_port, self.metrics_ports = free_port(), (free_port(), free_port())
        self.stops = 0
        """Ends of workers, in order or not."""
        for number, port in enumerate(self.metrics_ports, 1):
            self._fill(f"coordinator {number}", "coordinator", RUIE_METRICS_PORT=str(port))
            self._fill(f"worker {number}", "worker")
        self._fill("web", "web", "--port", str(self.web_port))

    def _fill(self, role: str, command: str, *arguments: str, **env: str) -> None:
        env = {"TMPDIR": str(self._temporary), **env}
        process = self._scene.start(command, *arguments, **env)
        self.slots[role] = Slot(role, command, process, arguments, env)

    def pids(self) -> dict[str, int]:
        """By role, of what runs now."""
        roles = {slot.role: slot.process.pid for slot in self.slots.values()}
        return {**roles, "endpoint": self._scene.endpoint.pid}

    def restarts(self, sizes: Sizes) -> Iterator[Restart]:
        """In their order: each part once in a quarter. Of coordinators and workers the second is
        restarted in the first half, the first in the second: so each lives for long."""
        parts = ["worker", "redis", "coordinator", "postgresql", "web"]
        if not sizes.batch:  # the provider of batches is one process with its books
            parts.append("endpoint")
        step = sizes.quarter_s / len(parts)
        for turn in itertools.count():
            for number, part in enumerate(parts):
                at = turn * sizes.quarter_s + (number + 0.6) * step
                if at > sizes.feeding_s:
                    return
                which = 1 if at > 30 * sizes.minutes else 2
                yield Restart(at, part, partial(self._restart, part, which, turn))

    def _restart(self, part: str, which: int, turn: int) -> str:
        if part == "redis":
            self._scene.fleet.restart_redis()
            return "SIGKILL, and back empty"
        if part == "postgresql":
            self._scene.server.crash()
            return "SIGQUIT, and recovered"
        if part == "endpoint":
            endpoint: MeteredEndpoint = self._scene.endpoint
            endpoint.__exit__()
            endpoint.__enter__()
            return "SIGKILL"
        return self._process("web" if part == "web" else f"{part} {which}", turn)

    def _process(self, role: str, turn: int) -> str:
        """In order and by `kill -9` in turns."""
        slot = self.slots[role]
        how = "SIGKILL" if turn % 2 else "SIGTERM"
        if how == "SIGKILL":
            slot.process.kill()
        else:
            code = slot.process.terminate()
            assert code in (0, -signal.SIGTERM), f"{role}: {code}, {slot.process.output()[-500:]}"
        self.stops += slot.command == "worker"
        self._fill(role, slot.command, *slot.arguments, **slot.env)
        return f"{role}: {how}"
