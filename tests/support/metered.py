"""A metered OpenAI-compatible endpoint as a process of its own: it counts, limits, bills, and
misbehaves by a seeded plan. What it answers is a pure function of the prompt.

    with MeteredEndpoint(Plan(quota=Quota(requests=600)), folder) as endpoint:
        LLMClient(endpoint.url)
        endpoint.log()
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from urllib.request import Request, urlopen

from support.metering import BILLED_FAULTS, Plan, Quota
from support.waiting import wait_until

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Entry:
    """One request as the endpoint logged it. Times are of `time.monotonic()`, the same in every
    process of a machine; `prompt` is a hash."""

    number: int
    at: float
    model: str
    prompt: str
    person: str
    task: str
    prompt_tokens: int
    max_tokens: int
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    tier: str = ""
    answer: str = ""
    status: int = 0
    fault: str = ""
    """What the plan scripted; "" if it answered well or refused."""
    refused: str = ""
    """The limit that was exhausted: a 429 that the plan did not script."""
    left: bool = False
    """The client disconnected before the answer."""
    ended: float = 0.0
    nusd: int = 0

    @property
    def good(self) -> bool:
        """Answered well and charged for; a client that has disconnected pays too."""
        return self.status == 200 and not self.fault

    @property
    def counted(self) -> bool:
        """Admitted: it counts against the quota."""
        return not self.refused


class MeteredEndpoint:
    """A running endpoint; a context manager, which can be entered again, at the same port.

    journal: a file that requests are written to when they have ended, so that the process keeps no
    more of them than are in progress, and that outlives it.
    """

    app = "support.metered_app"
    """The module that is the process."""

    def __init__(self, plan: Plan, folder: Path, journal: Path | None = None) -> None:
        self._folder = folder
        self._plan = plan
        self._port = 0
        self._journal = journal

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> Self:
        port_file = self._folder / "endpoint.port"
        port_file.unlink(missing_ok=True)
        path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")]))
        with (self._folder / "endpoint.log").open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", self.app, str(port_file), str(self._port)),
                    *([str(self._journal)] if self._journal else []),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": path},
            )
        wait_until(lambda: port_file.exists() or self._process.poll() is not None)
        self._port = int(port_file.read_text())
        self.behave(self._plan)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def behave(self, plan: Plan) -> None:
        """Follow another plan from now on; another quota begins afresh, and the log goes on."""
        self._plan = plan
        self._ask("plan", json.dumps(asdict(plan)).encode())

    @property
    def plan(self) -> Plan:
        return self._plan

    def count(self) -> int:
        """Requests so far."""
        return int(self._ask("count"))

    def log(self, since: int = 0) -> list[Entry]:
        """Every request from number `since` on, those in progress included; with a journal every
        request, but for those that were in progress when the process was killed."""
        ended: list[Entry] = []
        if self._journal and self._journal.exists():
            with self._journal.open(encoding="utf-8") as file:
                ended = [Entry(**json.loads(line)) for line in file]
        return [*ended, *self._entries(since)]

    def _entries(self, since: int) -> Iterator[Entry]:
        for line in self._ask(f"log?since={since}").splitlines():
            yield Entry(**json.loads(line))

    def _ask(self, what: str, body: bytes | None = None) -> str:
        request = Request(f"http://127.0.0.1:{self._port}/{what}", data=body)
        with urlopen(request, timeout=30) as response:
            return str(response.read().decode())


def read_plan(body: dict[str, Any]) -> Plan:
    """A plan as `behave` sends it."""
    body["quota"] = Quota(**body["quota"])
    return Plan(**body)


def billed(entry: Entry) -> bool:
    """Whether the endpoint charges for it: for every answer of the model, not for errors."""
    return entry.good or entry.fault in BILLED_FAULTS
