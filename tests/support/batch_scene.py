"""A scene whose job is done in batches at the scripted provider."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import text
from support.batch_provider import BatchProvider, Fault
from support.batch_provider_audit import BatchAudit
from support.fleet import Process
from support.metering import Quota
from support.scene import Scene
from support.waiting import PATIENCE_S, wait_until

from ruie.db.progress import JobProgress

BATCHES: dict[str, object] = {
    "llm_batch_wait_s": 2.0,
    "llm_batch_requests": 30,
    "llm_batch_poll_s": 0.5,
    "llm_batch_settle_s": 4.0,
    "llm_prices": {"scripted": {"input": 1.0, "output": 4.0, "batch": [0.5, 2.0]}},
}


class BatchScene:
    """A scene whose job is done in batches."""

    def __init__(self, scene: Scene, provider: BatchProvider) -> None:
        self.scene = scene
        self.provider = provider
        self.since = time.time()

    def faults(self, *faults: Fault, **more: Any) -> None:
        self.provider.behave_in_batches(faults=list(faults), **{"in_progress_s": 0.5, **more})

    def enqueue(self, count: int = 40, **options: Any) -> None:
        self.scene.enqueue(count, **{"mode": "batch", **options})

    def progress(self) -> JobProgress:
        return self.scene.fleet.client.progress(self.scene.job_id)

    def when(self, asked: str) -> None:
        """Wait until the provider has been asked for this in this scene."""
        since = self.since
        wait_until(
            lambda: any(call.at >= since for call in self.provider.books().calls(asked)),
            2 * PATIENCE_S,
        )

    def leader(self) -> Process:
        """Of the coordinators that run."""
        pid = str(self.scene.scalar("SELECT holder FROM leadership")).split(":")[-2]
        return next(p for p in self.scene.alive("coordinator") if str(p.pid) == pid)

    def count(self, table: str, where: str) -> int:
        return int(self.scene.scalar(f"SELECT COUNT(*) FROM {table} WHERE {where}"))

    def states(self) -> list[str]:
        with self.scene.engine.connect() as conn:
            return list(conn.execute(text("SELECT state FROM provider_batches")).scalars())

    def end(self, cap_nusd: int | None = None, timeout_s: float = 2 * PATIENCE_S) -> BatchAudit:
        """Until the job is done and nothing is left at the provider; then both audits."""
        self.scene.until_closed(timeout_s)
        wait_until(lambda: set(self.states()) <= {"done", "failed"})
        audit = self.audit()
        self.scene.figures.append(audit.figures())
        audit.check(cap_nusd)
        excused = audit.doubled_by_provider()
        self.scene.audit(excused, self.provider.log(), quota=Quota())
        return audit

    def audit(self) -> BatchAudit:
        people = frozenset(row["text"].split()[0] for row in self.scene.corpus)
        job, books, calls = self.scene.job_id, self.provider.books(), self.provider.log()
        return BatchAudit(self.scene.engine, books, job, self.since, calls, people)
