"""Waiting until jobs have ended, on a database that may be away for a while."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection, Engine

from ruie.db.engine import reading
from ruie.db.job_states import JobStanding, get_job_standings
from ruie.db.outage import Outage, retry_during_outage
from ruie.db.progress import JobProgress, progress

POLL_S = 1.0
"""How often the states are read: by one query over the jobs, none over their items."""
REPORT_S = 30.0
"""How often the progress of a job is read, and reported, that is still in the same state."""
PATIENCE_S = 600.0
"""How long the database may be away."""
LONGEST_PAUSE_S = 15.0

T = TypeVar("T")


def wait_for(
    engine: Engine,
    job_ids: Sequence[str],
    tolerated_share: float,
    timeout_s: float | None = None,
    report: Callable[[JobProgress], object] = lambda _: None,
    pause: Callable[[float], object] = time.sleep,
    report_s: float = REPORT_S,
) -> list[JobProgress]:
    """Wait until every job has ended, one is blocked (`JobProgress.blocked`), or `timeout_s`
    seconds are over; returns the progress of each then, in the order of `job_ids`.

    report is called with each change of a job's state, and every `report_s` seconds with each job
    that has not ended, whether or not it has come further. pause: waits for so many seconds.
    Raises `DatabaseError` where there is no such job, `UnavailableError` where the database is away
    for longer than `PATIENCE_S`, or than there is time.
    """
    deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s

    def read(query: Callable[[Connection], T]) -> T:
        def transaction() -> T:
            with reading(engine) as conn:
                return query(conn)

        left_s = max(0.0, deadline - time.monotonic())
        hint = "`ruie status` shows how far the jobs are."
        outage = Outage(min(PATIENCE_S, left_s), longest_pause_s=LONGEST_PAUSE_S, hint=hint)
        return retry_during_outage(transaction, outage)

    def progress_of(job_id: str) -> JobProgress:
        return read(lambda conn: progress(conn, job_id, tolerated_share))

    seen: dict[str, JobStanding] = {}
    told: dict[str, JobProgress] = {}
    report_at = time.monotonic() + report_s
    while True:
        standings = read(lambda conn: get_job_standings(conn, job_ids))
        due = time.monotonic() >= report_at
        if due:
            report_at = time.monotonic() + report_s
        for job_id, standing in standings.items():
            if standing == seen.get(job_id) and not due:
                continue
            seen[job_id] = standing
            last = told.get(job_id)
            now = progress_of(job_id)
            if now != last or not now.ended:
                told[job_id] = now
                report(now)
        left_s = deadline - time.monotonic()
        listed = told.values()
        if all(job.ended for job in listed) or any(job.blocked for job in listed) or left_s <= 0:
            return [job if job.ok is not None else progress_of(job.job_id) for job in listed]
        pause(min(POLL_S, left_s))
