"""What the documents and calls of a job come to: the totals, and the rows that these have not
counted yet. So it takes no longer for the millionth call than for the first."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Executable, Table, and_, func, or_, select

from ruie.db.models import attempts, extractions, metric_totals, origins, pruned_attempts
from ruie.db.reaper import WORKER_LOST
from ruie.db.totals import Total
from ruie.db.usage_columns import FROM_MODEL

_NUSD = 1e-9
_SUMS = {
    "prompt_tokens": (Total.JOB_INPUT_TOKENS, 1),
    "completion_tokens": (Total.JOB_OUTPUT_TOKENS, 1),
    "cost_usd": (Total.JOB_SPEND_NUSD, _NUSD),
    "cached_tokens": (Total.JOB_CACHED_INPUT_TOKENS, 1),
    "cache_write_tokens": (Total.JOB_CACHE_WRITE_TOKENS, 1),
    "reasoning_tokens": (Total.JOB_REASONING_TOKENS, 1),
}
"""Columns of calls, each with its total, and what one of that is in the column's unit."""


@dataclass(frozen=True, slots=True)
class JobCalls:
    """What a job had enqueued and asked itself; the calls and their sums include those that
    failed. A document that is forgotten and a call that is pruned stay counted."""

    documents: int
    calls: int
    failed_calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int


Sums = defaultdict[str, float]


def job_calls(conn: Connection, job_id: str) -> JobCalls:
    """Of one job, until now."""
    marks, totals = _totals(conn, job_id)
    found: Sums = defaultdict(float)
    found |= {name: totals[total] * unit for name, (total, unit) in _SUMS.items()}
    found |= {what: totals[what] for what in ("answered", "failed")}
    # These statements come after the one that read the totals: what was counted into them since
    # lies above the marks that it read, and is found here.
    answered = and_(extractions.c.job_id == job_id, extractions.c.reused_from.is_(None), FROM_MODEL)
    _add_new(found, conn, extractions, marks, "answered", answered)
    failed = and_(attempts.c.job_id == job_id, attempts.c.error_class != WORKER_LOST)
    _add_new(found, conn, attempts, marks, "failed", failed)
    _add_lost(found, conn, job_id)
    new = select(func.count().filter(origins.c.job_id == job_id))
    new = new.where(origins.c.id > marks[origins.name])
    return JobCalls(
        documents=int(totals[Total.JOB_DOCUMENTS]) + conn.execute(new).scalar_one(),
        calls=int(found["answered"] + found["failed"]),
        failed_calls=int(found["failed"]),
        cost_usd=found["cost_usd"],
        **{name: int(found[name]) for name in _SUMS if name != "cost_usd"},
    )


def _totals(conn: Connection, job_id: str) -> tuple[Counter[str], Counter[str]]:
    """Up to which id each table is counted, and the job's totals, of one moment; calls by whether
    they were answered or failed."""
    query = select(metric_totals.c.name, metric_totals.c.kind, metric_totals.c.value).where(
        or_(metric_totals.c.name == Total.FOLDED_TO.value, metric_totals.c.job_id == job_id)
    )
    marks: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    for name, kind, value in conn.execute(query):
        if name == Total.FOLDED_TO:
            marks[kind] = value
        else:
            totals[kind if name == Total.JOB_CALLS else name] += value
    return marks, totals


def _add_new(
    found: Sums, conn: Connection, calls: Table, marks: Counter[str], what: str,
    of_job: ColumnElement[bool],
) -> None:  # fmt: skip  # one thing after the other
    """Add the rows that are not counted yet, and their number as `what`. of_job: which of them.

    That is no part of WHERE, where the job would suggest another index to PostgreSQL: one with all
    calls of the job, of which it may not know yet how many they are.
    """
    sums = (func.sum(calls.c[name]).filter(of_job).label(name) for name in _SUMS)
    query = select(func.count().filter(of_job).label(what), *sums)
    _add_row(found, conn, query.where(calls.c.id > marks[calls.name]))


def _add_lost(found: Sums, conn: Connection, job_id: str) -> None:
    """Add the calls of workers that were lost, which no total has."""
    for calls in (attempts, pruned_attempts):
        number = func.count() if calls is attempts else func.sum(pruned_attempts.c.calls)
        sums = (func.sum(calls.c[name]).label(name) for name in _SUMS)
        of_job = (calls.c.job_id == job_id, calls.c.error_class == WORKER_LOST)
        _add_row(found, conn, select(number.label("failed"), *sums).where(*of_job))


def _add_row(found: Sums, conn: Connection, query: Executable) -> None:
    for name, value in conn.execute(query).one()._mapping.items():
        found[name] += float(value or 0)
