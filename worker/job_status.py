"""How a job stands, as `ruie status` and the pages show it: progress, speed, what was given up, and
its batches at the provider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from ruie.db import jobs, provider_batches
from ruie.db.activity import Activity, activity
from ruie.db.batch_standing import count_waiting
from ruie.db.engine import reading
from ruie.db.progress import JobProgress
from ruie.db.provider_batches import ProviderBatch
from ruie.db.quarantine import count_quarantined
from ruie.worker.job_client import JobClient


@dataclass(frozen=True, slots=True)
class JobStatus:
    """activity: None where it was not read. given_up: items in quarantine by error class, the most
    frequent first. batches: those at the provider that are not over; of a corpus, also of its other
    jobs. requests_waiting: of the job, that wait for a batch."""

    progress: JobProgress
    activity: Activity | None = None
    given_up: dict[str, int] = field(default_factory=dict)
    batches: Sequence[ProviderBatch] = ()
    requests_waiting: int = 0

    @property
    def rate(self) -> float | None:
        """Items a minute, while it runs and has open items."""
        runs = self.progress.state == "running" and self.progress.open
        return self.activity.rate_per_minute if runs and self.activity else None

    @property
    def seconds_left(self) -> float | None:
        """None also where items are in batches: when a provider answers those, no rate says."""
        if not self.rate or not self.activity or self.progress.submitted:
            return None
        return self.activity.seconds_left(self.progress.open)

    @property
    def documents_per_minute(self) -> float | None:
        """At its rate of items, if its documents have as many items as they have on average."""
        items = self.progress.items
        return self.rate * self.progress.documents / items if self.rate and items else None


def job_status(client: JobClient, job_id: str, *, last_error: bool = True) -> JobStatus:
    """last_error: read the activity also of a job that does not run. Raises `DatabaseError` where
    there is no such job."""
    progress = client.progress(job_id)
    with reading(client.engine) as conn:
        lively = activity(conn, job_id) if last_error or progress.state == "running" else None
        given_up = count_quarantined(conn, job_id) if progress.quarantined else {}
        batches = _batches(conn, job_id)
        waiting = count_waiting(conn, job_id) if progress.submitted else 0
    return JobStatus(progress, lively, given_up, batches, waiting)


def _batches(conn: Connection, job_id: str) -> list[ProviderBatch]:
    scope = jobs.get_job(conn, job_id).corpus or job_id
    return provider_batches.listed(conn, scope, only_open=True)
