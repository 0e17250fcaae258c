"""Items by state, for metrics: this reads an entry of an index for each item of the open jobs, so
it is done in the background, never while somebody waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from ruie.db.fleet import OPEN
from ruie.db.holders import oldest_s
from ruie.db.item_states import LEASED, PENDING, RETRY, SUBMITTED
from ruie.db.models import ITEM_STATES, attempts, jobs, quarantine, work_items
from ruie.db.reaper import WORKER_LOST


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """Of the jobs that are open.

    items: by job, task and state; a task of a job has every state. oldest_s: by job and open state,
    seconds for which an item has been in it, the longest. quarantine: by job and error class.
    unconfirmed_nusd: by job, billionths of a US dollar that calls of lost workers can have cost at
    most.
    """

    items: Mapping[tuple[str, str, str], int]
    oldest_s: Mapping[tuple[str, str], float]
    quarantine: Mapping[tuple[str, str], int]
    unconfirmed_nusd: Mapping[str, int]


def count_items(conn: Connection) -> ItemCounts:
    """Count them all."""
    open_ = list(conn.scalars(select(jobs.c.id).where(jobs.c.state.in_(OPEN))))
    return ItemCounts(
        _items(conn, open_),
        _oldest(conn, open_),
        _quarantine(conn, open_),
        _unconfirmed(conn, open_),
    )


def _items(conn: Connection, open_: list[str]) -> dict[tuple[str, str, str], int]:
    groups = (work_items.c.job_id, work_items.c.task, work_items.c.state)
    query = select(*groups, func.count()).where(work_items.c.job_id.in_(open_)).group_by(*groups)
    counted = {(job, task, state): count for job, task, state, count in conn.execute(query)}
    every = {(job, task, state) for job, task, _ in counted for state in ITEM_STATES}
    return {key: counted.get(key, 0) for key in sorted(every)}


def _oldest(conn: Connection, open_: list[str]) -> dict[tuple[str, str], float]:
    states = (
        ("pending", PENDING), ("leased", LEASED), ("submitted", SUBMITTED), ("retry", RETRY)
    )  # fmt: skip  # one line
    return {
        (job, name): oldest_s(conn, job, state) or 0.0 for job in open_ for name, state in states
    }


def _quarantine(conn: Connection, open_: list[str]) -> dict[tuple[str, str], int]:
    groups = (quarantine.c.job_id, quarantine.c.error_class)
    query = select(*groups, func.count()).where(quarantine.c.job_id.in_(open_)).group_by(*groups)
    return {(job, error_class): count for job, error_class, count in conn.execute(query)}


def _unconfirmed(conn: Connection, open_: list[str]) -> dict[str, int]:
    query = (
        select(attempts.c.job_id, func.sum(attempts.c.cost_usd))
        .where(attempts.c.job_id.in_(open_), attempts.c.error_class == WORKER_LOST)
        .group_by(attempts.c.job_id)
    )
    return {job: round(float(usd or 0) * 1e9) for job, usd in conn.execute(query)}
