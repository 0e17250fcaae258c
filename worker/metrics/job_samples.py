"""Samples of the jobs that are open, and of their items as they were last counted."""

from __future__ import annotations

from collections.abc import Collection

from ruie.db.item_counts import ItemCounts
from ruie.db.models import JOB_STATES
from ruie.db.spend import NUSD
from ruie.worker.metrics.families import Families
from ruie.worker.metrics.fleet_samples import FleetReading


def add_jobs(families: Families, found: FleetReading, day_cap_usd: float) -> None:
    """day_cap_usd: 0 where there is none."""
    for state in JOB_STATES:
        families.add("ruie_jobs", found.jobs_by_state.get(state, 0), state=state)
    families.add("ruie_day_committed_usd", found.committed_today_nusd / NUSD)
    if day_cap_usd:
        families.add("ruie_day_cap_usd", day_cap_usd)
    for job in found.jobs:
        families.add("ruie_job_committed_usd", job.committed_nusd / NUSD, job_id=job.id)
        if job.cap_nusd is not None:
            families.add("ruie_job_cap_usd", job.cap_nusd / NUSD, job_id=job.id)
        if job.state == "paused":
            families.add("ruie_job_paused", 1, job_id=job.id, by=job.paused_by or "person")


def add_counts(
    families: Families, counts: ItemCounts, age_s: float, open_: Collection[str]
) -> None:
    """open_: the jobs that are open now; age_s: seconds since the items were counted."""
    families.add("ruie_item_counts_age_seconds", age_s)
    for (job, task, state), items in counts.items.items():
        if job in open_:
            families.add("ruie_items", items, job_id=job, task=task, state=state)
    for (job, state), oldest_s in counts.oldest_s.items():
        if job in open_:
            waiting_s = oldest_s + age_s if oldest_s else 0.0
            families.add("ruie_oldest_item_age_seconds", waiting_s, job_id=job, state=state)
    for (job, error_class), items in counts.quarantine.items():
        if job in open_:
            families.add("ruie_job_quarantined_items", items, job_id=job, error_class=error_class)
    for job, nusd in counts.unconfirmed_nusd.items():
        if job in open_:
            families.add("ruie_job_unconfirmed_usd", nusd / NUSD, job_id=job)
