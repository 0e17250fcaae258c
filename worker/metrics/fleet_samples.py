"""What is read from SQL for a scrape, and the samples of what the fleet does now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ruie import __version__
from ruie.db import fleet, processes
from ruie.db.batch_standing import BatchStanding, batch_standing
from ruie.db.fold import count_unfolded
from ruie.db.models import PROCESS_KINDS
from ruie.db.totals import Totals, read_totals
from ruie.settings import Settings
from ruie.worker.limits.usage import LimitUsage
from ruie.worker.metrics.families import Families
from ruie.worker.useful_work import useful_now


@dataclass(frozen=True, slots=True)
class FleetReading:
    """The fleet at one moment, from SQL."""

    jobs: Sequence[fleet.OpenJob]
    jobs_by_state: dict[str, int]
    committed_today_nusd: int
    totals: Totals
    behind: int
    working: fleet.Working
    alive: dict[tuple[str, str], int]
    endpoints: Sequence[fleet.EndpointState]
    lags: dict[str, float]
    recent: Sequence[fleet.RecentCalls]
    ready: Sequence[fleet.Ready]
    batches: BatchStanding


def read_fleet(conn: Connection, window: int, now: datetime) -> FleetReading:
    """window: items that each class of jobs may have out at a time; now: by the database's
    clock."""
    jobs, committed_today = fleet.open_jobs(conn, f"{now:%Y-%m-%d}")
    totals = read_totals(conn, [job.id for job in jobs])
    return FleetReading(
        jobs,
        fleet.jobs_by_state(conn),
        committed_today,
        totals,
        count_unfolded(conn, totals),
        fleet.working(conn),
        processes.count_alive(conn),
        fleet.endpoint_states(conn, now),
        fleet.schedule_lags(conn, now),
        fleet.recent_calls(conn),
        fleet.ready(conn, jobs, window),
        batch_standing(conn),
    )


def add_fleet(
    families: Families, found: FleetReading, usage: Sequence[LimitUsage], config: Settings
) -> None:
    here = {(kind, __version__): 0 for kind in PROCESS_KINDS}
    for (kind, version), alive in (here | found.alive).items():
        families.add("ruie_processes", alive, kind=kind, version=version)
    families.add("ruie_worker_processes", found.working.processes)
    families.add("ruie_items_leased", found.working.held)
    families.add("ruie_items_sent", found.working.sent)
    families.add("ruie_totals_rows_behind", found.behind)
    useful = useful_now(found.endpoints, found.ready, usage, found.recent, config)
    families.add("ruie_useful_worker_processes", useful)
    for each in found.endpoints:
        families.add("ruie_endpoint_outages_total", each.outages, llm_endpoint=each.url)
        families.add("ruie_endpoint_away", int(each.away_s is not None), llm_endpoint=each.url)
        families.add("ruie_endpoint_away_seconds", each.away_s or 0.0, llm_endpoint=each.url)
    for name, lag_s in found.lags.items():
        families.add("ruie_schedule_lag_seconds", lag_s, schedule=name)
    _add_batches(families, found.batches, config.llm_batch_deadline_h * 3600)


def _add_batches(families: Families, batches: BatchStanding, deadline_s: float) -> None:
    for state, number in batches.by_state.items():
        families.add("ruie_provider_batches", number, state=state)
    families.add("ruie_provider_batch_oldest_seconds", batches.oldest_s)
    overdue_s = max(0.0, batches.oldest_s - deadline_s)
    families.add("ruie_provider_batch_overdue_seconds", overdue_s)
    families.add("ruie_provider_batch_unconfirmed_seconds", batches.unconfirmed_s)
    families.add("ruie_provider_requests_waiting", batches.requests_waiting)
