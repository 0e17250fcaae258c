"""One scene: documents of its own, a fleet to break meanwhile, and an audit at the end."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, make_url, text
from support.audit import Audit, paid_twice
from support.corpus import SCHEMA, rows
from support.databases import Server
from support.fleet import Fleet, Process
from support.metered import Entry, MeteredEndpoint
from support.metering import Plan, Quota
from support.waiting import PATIENCE_S, wait_until

from ruie.db import job_states, jobs
from ruie.settings import Settings

IN_FLIGHT = 4
AT_RISK = 2 * IN_FLIGHT
"""Of a process: calls in flight, and answers that wait to be saved. So much a crash may cost."""
"""Calls in flight in one worker process: as many can be paid for twice after one `kill -9`."""
CLOCK = Path(__file__).parent / "clock"
QUOTA = Quota(requests=4800, tokens=960_000, input_tokens=800_000, output_tokens=400_000)
PLAN = Plan(quota=QUOTA, delay_s=(0.03, 0.15), input_nusd=1000, output_nusd=4000)


def known(**settings: object) -> dict[str, object]:
    """Those of the settings that this version of ruie has."""
    return {name: value for name, value in settings.items() if name in Settings.model_fields}


SETTINGS: dict[str, object] = {
    "lease_s": 3.0,
    "dispatch_s": 3.0,
    "window": 96,
    "batch_size": 8,
    "concurrency": 1,
    "demonstrations": 2,
    "llm_model": "scripted",
    "llm_max_tokens": 48,
    "llm_max_in_flight": IN_FLIGHT,
    "llm_timeout_s": 3.0,
    "max_attempts": 6,
    **known(
        llm_requests_per_minute=QUOTA.requests,
        llm_tokens_per_minute=QUOTA.tokens,
        llm_input_tokens_per_minute=QUOTA.input_tokens,
        llm_output_tokens_per_minute=QUOTA.output_tokens,
        llm_prices={"scripted": (1.0, 4.0)},
    ),
}


class Scene:
    """A fleet and what happens to it. Each `series` has documents of its own."""

    def __init__(
        self, fleet: Fleet, endpoint: MeteredEndpoint, server: Server, series: int
    ) -> None:
        self.fleet = fleet
        self.endpoint = endpoint
        self.server = server
        self.rng = random.Random(series)
        self.corpus: list[dict[str, str]] = []
        self.job_id = ""
        self.killed = 0
        self.figures: list[str] = []
        """What was measured, one line for each audit."""
        self.series = series
        self._started = time.monotonic()

    @property
    def engine(self) -> Engine:
        return self.fleet.client.engine

    def behave(self, **changes: Any) -> None:
        """Set the endpoint's plan for this scene: how it differs from `PLAN`."""
        self.endpoint.behave(Plan(**{**PLAN.__dict__, **changes}))

    def alive(self, command: str) -> list[Process]:
        return [p for p in self.fleet.processes if p.command == command and p.alive]

    def staff(self, workers: int, coordinators: int = 1) -> None:
        """At least so many of each."""
        for command, count in (("coordinator", coordinators), ("worker", workers)):
            for _ in range(count - len(self.alive(command))):
                self.start(command)

    def start(self, command: str, *arguments: str, **env: str) -> Process:
        """One more, known to PostgreSQL by a name of its own: `who`."""
        name = f"{command}-{len(self.fleet.processes)}"
        url = make_url(self.fleet.settings.database_url).update_query_dict(
            {"application_name": name}
        )
        own_url = url.render_as_string(hide_password=False)
        process = self.fleet.start(command, *arguments, **{"RUIE_DATABASE_URL": own_url, **env})
        process.who = name
        return process

    def enqueue(self, count: int, poison: int | None = None, **more: Any) -> str:
        self.corpus = rows(count, self.series, poison)
        self.job_id = self.fleet.client.enqueue(self.corpus, SCHEMA, **more).job_id
        return self.job_id

    def enqueue_more(self, count: int) -> str:
        """Another job, of other documents."""
        self.series += 1000
        return self.enqueue(count)

    def enqueue_rows(self, documents: Sequence[dict[str, str]], **more: Any) -> str:
        """A job of these documents, worked to its end."""
        self.corpus = list(documents)
        self.job_id = self.fleet.client.enqueue(self.corpus, SCHEMA, **more).job_id
        self.until_closed()
        return self.job_id

    def kill(self, process: Process) -> None:
        process.kill()
        self.killed += 1

    def until_done(self, many: int, timeout_s: float = PATIENCE_S) -> None:
        """Until so many items are done."""
        wait_until(lambda: self.fleet.client.progress(self.job_id).done >= many, timeout_s)

    def until_closed(
        self, timeout_s: float = PATIENCE_S, meanwhile: Callable[[], object] = int
    ) -> None:
        """Until the job is done, or the time is up: the audit then reports what is missing."""
        end = time.monotonic() + timeout_s
        while self.fleet.client.progress(self.job_id).state != "done" and time.monotonic() < end:
            meanwhile()
            time.sleep(0.1)

    def mine(self) -> list[Entry]:
        """The endpoint's log of requests about this scene's documents."""
        people = {row["text"].split()[0] for row in self.corpus}
        return [entry for entry in self.endpoint.log() if entry.person in people]

    def scalar(self, sql: str, **values: object) -> Any:
        with self.engine.connect() as conn:
            return conn.execute(text(sql), values).scalar()

    def audit(
        self,
        lost_calls: int | None = None,
        log: Sequence[Entry] | None = None,
        corpus: Sequence[Mapping[str, str]] | None = None,
        quota: Quota = QUOTA,
        **more: Any,
    ) -> list[Entry]:
        """Audit the job; returns the endpoint's log. lost_calls: by default those of the kills."""
        entries = list(log if log is not None else self.endpoint.log())
        lost = AT_RISK * self.killed if lost_calls is None else lost_calls
        audit = Audit(self.engine, self.job_id, corpus or self.corpus, entries, quota, lost, **more)
        self.figures.append(self._figures(audit))
        audit.check()
        return entries

    def _figures(self, audit: Audit) -> str:
        since = [entry for entry in audit.log if entry.at >= self._started]
        return (
            f"{time.monotonic() - self._started:.1f} s, {len(audit.corpus)} documents,"
            f" {len(audit.mine)} calls, {self.killed} workers killed,"
            f" {paid_twice(audit.mine)} paid twice (at most {audit.lost_calls}),"
            f" {replace(audit, log=since).fullest_share():.0%} of a window,"
            f" load {os.getloadavg()[0]:.1f}"
        )

    def end(self) -> None:
        """Leave nothing behind that would occupy the next scene, or make it wait."""
        done = not self.job_id or self.fleet.client.progress(self.job_id).state == "done"
        for process in self.fleet.processes:
            if process.frozen and process.alive:
                process.kill()
        with self.engine.begin() as conn:
            for job in jobs.list_jobs(conn):
                if job.state in ("running", "paused"):
                    job_states.set_job_state(conn, job.id, "cancelled", "the scene is over")
        if not done:
            self.fleet.restart_redis()
