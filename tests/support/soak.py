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
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.corpus import rows
from support.scene import Scene
from support.scraped import Scrape, scrape
from support.soak_page import Tab
from support.soak_parts import Parts, Restart
from support.soak_plan import CALLS, NAMES, SCHEDULES, Sizes
from support.soak_samples import Sampler
from support.waiting import wait_until

from ruie.worker.schedules import Schedules


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
        self.fell: list[str] = []
        """Counters that were less than before."""
        self._files = 0
        self._last: Scrape | None = None
        self._series = itertools.count(10)
        self._schedules = Schedules(self.scene.fleet.client)

    def run(self) -> None:
        self.parts = Parts(self.scene, self.temporary)
        self._enqueue(self.sizes.documents // 2, 1)
        self.scene.job_id = next(iter(self.corpora))
        self._add_schedules()
        paths = ("/jobs", f"/jobs/{self.scene.job_id}", "/fleet")
        self._tabs = [Tab(self.parts.web_port, path) for path in paths]
        for tab in self._tabs:
            tab.start()
        self.sampler = Sampler(self.scene, self.temporary)
        end = 60 * self.sizes.minutes
        restarts = list(self.parts.restarts(self.sizes))
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
            if restarts and self.sampler.now >= restarts[0].at_s:
                self._event(restarts.pop(0))
            time.sleep(0.2)
        self._finish(end)
        for tab in self._tabs:
            tab.close()

    # What there is to do

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
        self._last_sample = sample = self.sampler.sample(self.parts.pids())
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
        found = leading(self.parts.metrics_ports)
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

    def _event(self, restart: Restart) -> None:
        at, monotonic = self.sampler.now, time.monotonic()
        how = restart.make()
        took_s = round(self.sampler.now - at, 1)
        self._write("events", {
            "t": round(at, 1), "at": monotonic, "part": restart.part, "how": how, "took_s": took_s,
        })  # fmt: skip  # a row

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
    wait_until(lambda: (now := leading(soak.parts.metrics_ports)) and now.totals == wanted())


def _times(took_ms: list[float]) -> dict[str, float]:
    if len(took_ms) < 2:
        took_ms = 2 * took_ms
    if not took_ms:
        return {"n": 0}
    ranked = statistics.quantiles(took_ms, n=100, method="inclusive")
    return {"n": len(took_ms), "p50": round(ranked[49], 1), "p99": round(ranked[98], 1)}
