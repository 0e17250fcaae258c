"""A fleet that works for hours while documents arrive, a page is open and each part is restarted in
turn; what its processes hold is written down all the while.

    with Fleet(folder, url, bundle, endpoint.url, **settings(sizes)) as fleet:
        soak = Soak(Scene(fleet, endpoint, server, 1), sizes, folder / "measured")
        soak.run()
        report = audit(soak)  # support.soak_audit

Half of the documents are one job, whose calls are always waiting. The others arrive in files, two
each minute, from which two schedules that fire every minute enqueue them: one asks all there is to
ask about them, the other, as the large job, only for entities.
"""

from __future__ import annotations

import itertools
import json
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from support.corpus import SCHEMA, rows
from support.fleet import Process
from support.metered import MeteredEndpoint
from support.metering import FAULTS, Plan, Quota
from support.scene import Scene
from support.scraped import Scrape, scrape
from support.soak_page import Tab
from support.soak_samples import Sampler
from support.waiting import wait_until

from ruie.schema import Schema
from ruie.worker.embedded.stack import free_port
from ruie.worker.schedules import Schedules

NAMES = Schema("names", entities=SCHEMA.entities)
CALLS = 1.84
"""For each document, on average: one, of a quarter of them four, and those that fail."""
SLOWING = tuple(kind for kind in FAULTS if kind.startswith("429") or kind == "503")
KINDS = (*SLOWING, *(45 * [kind for kind in FAULTS if kind not in SLOWING]))
"""Of the faults one in ninety is of the kinds that pause the whole fleet: with more it would do
nothing but wait."""
IN_FLIGHT, PROCESSES = 6, 2
AT_RISK = 2 * 2 * IN_FLIGHT * PROCESSES
"""Calls of a worker: of two classes of jobs, and as many that wait to be saved."""


class Scheduled(NamedTuple):
    """A schedule. series: of its documents; overlap: what it does with a run that is due while the
    job of the last one runs."""

    series: int
    schema: Schema
    overlap: Literal["refuse", "queue"]


SCHEDULES = {"whole": Scheduled(2, SCHEMA, "refuse"), "names": Scheduled(3, NAMES, "queue")}


@dataclass(frozen=True)
class Sizes:
    """How much, and how long. quarter_s: in so many seconds each part is restarted once. tail_s:
    before the end nothing new comes any more, and nothing is restarted. spare: the limit of
    requests, by what is needed on average."""

    minutes: float = 120.0
    documents: int = 100_000
    quarter_s: float = 900.0
    sample_s: float = 10.0
    tail_s: float = 480.0
    batch: bool = False
    spare: float = 1.1

    @property
    def feeding_s(self) -> float:
        return 60 * self.minutes - self.tail_s

    @property
    def a_file(self) -> int:
        """Documents in one file of one schedule: there is one each minute."""
        return max(1, round(self.documents / 2 / len(SCHEDULES) / max(1, self.feeding_s / 60)))

    @property
    def quota(self) -> Quota:
        a_minute = round(self.spare * CALLS * self.documents / (self.feeding_s / 60))
        return Quota(requests=0 if self.batch else a_minute)


def plan(sizes: Sizes) -> Plan:
    return Plan(
        quota=sizes.quota, delay_s=(0.3, 0.7), faults=0.05, kinds=KINDS, input_nusd=1000,
        output_nusd=4000,
    )  # fmt: skip  # the endpoint's plan


def settings(sizes: Sizes) -> dict[str, object]:
    return {
        "lease_s": 30.0,
        "dispatch_s": 30.0,
        "batch_size": 32,
        "window": 512,
        "concurrency": PROCESSES,
        "demonstrations": 2,
        "llm_model": "scripted",
        "llm_max_tokens": 48,
        "llm_max_in_flight": IN_FLIGHT,
        "llm_timeout_s": 6.0,
        "max_attempts": 8,
        "llm_requests_per_minute": sizes.quota.requests,
        "llm_prices": {"scripted": {"input": 1.0, "output": 4.0, "batch": [0.5, 2.0]}},
        "llm_batch_wait_s": 5.0,
        "llm_batch_requests": 400,
        "llm_batch_poll_s": 1.0,
        "llm_batch_settle_s": 10.0,
    }


@dataclass
class Slot:
    """A process that is always there, whoever it is. arguments, env: of each that is started."""

    role: str
    command: str
    process: Process
    arguments: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)


@dataclass
class Soak:
    """One soak. output: a folder for `samples.jsonl` and `events.jsonl`."""

    scene: Scene
    sizes: Sizes
    output: Path

    def __post_init__(self) -> None:
        self.temporary = self.scene.fleet.folder / "temporary"
        self.sources = self.scene.fleet.folder / "sources"
        for folder in (self.output, self.temporary, *(self.sources / n for n in SCHEDULES)):
            folder.mkdir(parents=True, exist_ok=True)
        self.corpora: dict[str, list[dict[str, str]]] = {}
        """What was enqueued at once, by job."""
        self.scheduled: dict[str, list[dict[str, str]]] = {name: [] for name in SCHEDULES}
        """What each schedule was given."""
        self.stops = 0
        """Ends of workers, in order or not."""
        self.fell: list[str] = []
        """Counters that were less than before."""
        self._files = 0
        self._last: Scrape | None = None
        self._series = itertools.count(10)
        self._schedules = Schedules(self.scene.fleet.client)
        self._web_port, self.metrics_ports = free_port(), (free_port(), free_port())

    def run(self) -> None:
        self._staff()
        self._enqueue(self.sizes.documents // 2, 1)
        self.scene.job_id = next(iter(self.corpora))
        self._add_schedules()
        self._tabs = [
            Tab(self._web_port, path) for path in ("/jobs", f"/jobs/{self.scene.job_id}", "/fleet")
        ]
        for tab in self._tabs:
            tab.start()
        self.sampler = Sampler(self.scene, self.temporary)
        end = 60 * self.sizes.minutes
        restarts = list(self._restarts())
        next_sample = next_file = next_look = 0.0
        while self.sampler.now < self.sizes.feeding_s:
            if self.sampler.now >= next_sample:
                next_sample += self.sizes.sample_s
                self._sample()
            if self.sampler.now >= next_file:
                next_file += 60.0
                self._give()
            if self.sampler.now >= next_look:
                next_look += 30.0
                self._keep_busy()
            if restarts and self.sampler.now >= restarts[0][0]:
                self._event(*restarts.pop(0)[1:])
            time.sleep(0.2)
        self._finish(end)
        for tab in self._tabs:
            tab.close()

    # What there is

    def _staff(self) -> None:
        self.slots: dict[str, Slot] = {}
        for number, port in enumerate(self.metrics_ports, 1):
            self._fill(f"coordinator {number}", "coordinator", RUIE_METRICS_PORT=str(port))
            self._fill(f"worker {number}", "worker")
        self._fill("web", "web", "--port", str(self._web_port))

    def _fill(self, role: str, command: str, *arguments: str, **env: str) -> None:
        env = {"TMPDIR": str(self.temporary), **env}
        process = self.scene.start(command, *arguments, **env)
        self.slots[role] = Slot(role, command, process, arguments, env)

    def _options(self) -> dict[str, Any]:
        return {"mode": "batch"} if self.sizes.batch else {}

    def _enqueue(self, count: int, series: int) -> None:
        documents = rows(count, series)
        enqueued = self.scene.fleet.client.enqueue(
            documents, NAMES, priority="backfill", name=f"backlog {series}", **self._options()
        )
        self.corpora[enqueued.job_id] = documents

    def _add_schedules(self) -> None:
        self._give()
        for name, one in SCHEDULES.items():
            self._schedules.add(
                name, "* * * * *", "UTC", [str(self.sources / name / "*.jsonl")], one.schema,
                overlap=one.overlap, **self._options(),
            )  # fmt: skip  # when, what and how

    def _give(self) -> None:
        """One more file for each schedule, whole at once."""
        size = self.sizes.a_file
        for name, one in SCHEDULES.items():
            documents = rows((self._files + 1) * size, one.series)[-size:]
            new = self.sources / name / f"{self._files:04}.new"
            new.write_text("".join(json.dumps(row) + "\n" for row in documents), encoding="utf-8")
            new.rename(new.with_suffix(".jsonl"))
            self.scheduled[name] += documents
        self._files += 1

    def _keep_busy(self) -> None:
        """Two minutes' more where little is left to do, unless it is the end."""
        if self.sampler.now > self.sizes.feeding_s - 120:
            return
        a_minute = CALLS * self.sizes.documents / (self.sizes.feeding_s / 60)
        waiting = self._open_items()
        if waiting is not None and waiting < 2 * a_minute:
            self._enqueue(round(2 * a_minute / CALLS), next(self._series))

    def _open_items(self) -> int | None:
        found: int | None = self._last_sample["postgresql"].get("open_items")
        return found

    # What is written down

    def _sample(self) -> None:
        roles = {slot.role: slot.process.pid for slot in self.slots.values()}
        roles["endpoint"] = self.scene.endpoint.pid
        self._last_sample = sample = self.sampler.sample(roles)
        sample["pages"] = {tab.path: _times(tab.took_ms()) for tab in self._tabs}
        sample["page_answers"] = {tab.path: dict(tab.answers) for tab in self._tabs}
        begun = time.perf_counter()
        try:
            self.scene.fleet.client.progress(self.scene.job_id)
            sample["status_ms"] = round(1000 * (time.perf_counter() - begun), 1)
        except Exception as error:  # the server is away
            sample["status_error"] = str(error)[:200]
        self._scrape()
        self._write("samples", sample)

    def _scrape(self) -> None:
        """Of the leader, as Prometheus asks it: what is counted never falls."""
        found = leading(self.metrics_ports)
        if found is None:
            return
        for sample, value in (self._last.counters if self._last else {}).items():
            gone = "job_id" in dict(sample[1]) and sample not in found.samples
            if not gone and found.samples.get(sample, 0) < value:
                self.fell.append(f"{sample}: {value} -> {found.samples.get(sample)}")
        self._last = found

    def read(self, name: str) -> list[dict[str, Any]]:
        """The rows of `samples` or `events` so far."""
        file = self.output / f"{name}.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]

    def _write(self, name: str, row: dict[str, Any]) -> None:
        with (self.output / f"{name}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    # What is restarted

    def _restarts(self) -> Iterator[tuple[float, str, Callable[[], str]]]:
        """When, which part, and how: each part once in a quarter. Of coordinators and workers the
        second is restarted in the first half, the first in the second: so each lives for long."""
        parts: list[tuple[str, Callable[[int, int], Callable[[], str]]]] = [
            ("worker", lambda half, turn: lambda: self._restart(f"worker {2 - half}", turn)),
            ("redis", lambda half, turn: self._redis),
            (
                "coordinator",
                lambda half, turn: lambda: self._restart(f"coordinator {2 - half}", turn),
            ),
            ("postgresql", lambda half, turn: self._postgresql),
            ("web", lambda half, turn: lambda: self._restart("web", turn)),
        ]
        if not self.sizes.batch:  # the provider of batches is one process with its books
            parts.append(("endpoint", lambda half, turn: self._endpoint))
        step = self.sizes.quarter_s / len(parts)
        for turn in itertools.count():
            for number, (name, make) in enumerate(parts):
                at = turn * self.sizes.quarter_s + (number + 0.6) * step
                if at > self.sizes.feeding_s:
                    return
                half = int(at > 30 * self.sizes.minutes)
                yield at, name, make(half, turn)

    def _event(self, part: str, restart: Callable[[], str]) -> None:
        at, monotonic = self.sampler.now, time.monotonic()
        how = restart()
        took = self.sampler.now - at
        self._write("events", {
            "t": round(at, 1), "at": monotonic, "part": part, "how": how, "took_s": round(took, 1),
        })  # fmt: skip  # a row

    def _restart(self, role: str, turn: int) -> str:
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

    def _redis(self) -> str:
        self.scene.fleet.restart_redis()
        return "SIGKILL, and back empty"

    def _postgresql(self) -> str:
        self.scene.server.crash()
        return "SIGQUIT, and recovered"

    def _endpoint(self) -> str:
        endpoint: MeteredEndpoint = self.scene.endpoint
        endpoint.__exit__()
        endpoint.__enter__()
        return "SIGKILL"

    # The end

    def _finish(self, end: float) -> None:
        """What was refused while a job ran is enqueued by one more run of each schedule."""
        for name in SCHEDULES:
            self._schedules.disable(name)
        self._wait(self.is_done, end)
        for name in SCHEDULES:
            self._schedules.run(name)
        self._wait(lambda: self.sampler.now > end and self.is_done(), end)

    def _wait(self, over: Callable[[], bool], end: float) -> None:
        next_sample = self.sampler.now
        while not over():
            assert self.sampler.now < end + 1200, "the jobs have not ended"
            if self.sampler.now >= next_sample:
                next_sample = self.sampler.now + self.sizes.sample_s
                self._sample()
            time.sleep(0.2)

    def is_done(self) -> bool:
        open_runs = "SELECT COUNT(*) FROM schedule_runs WHERE state IN ('due', 'running')"
        open_jobs = "SELECT COUNT(*) FROM jobs WHERE state IN ('running', 'paused')"
        batches = "SELECT COUNT(*) FROM provider_batches WHERE state NOT IN ('done', 'failed')"
        return not any(self.scene.scalar(sql) for sql in (open_runs, open_jobs, batches))


def leading(ports: tuple[int, ...]) -> Scrape | None:
    """What the coordinator that leads tells."""
    found = [one for port in ports if (one := scrape(port)) is not None]
    return next((one for one in found if one.value("ruie_coordinator_leads") == 1), None)


def until_counted(soak: Soak, wanted: Callable[[], object]) -> None:
    wait_until(lambda: (now := leading(soak.metrics_ports)) and now.totals == wanted())


def _times(took_ms: list[float]) -> dict[str, float]:
    if len(took_ms) < 2:
        took_ms = 2 * took_ms
    if not took_ms:
        return {"n": 0}
    ranked = statistics.quantiles(took_ms, n=100, method="inclusive")
    return {"n": len(took_ms), "p50": round(ranked[49], 1), "p99": round(ranked[98], 1)}
