"""The totals counted naively: every row is read, and added up one by one."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from sqlalchemy import Engine, RowMapping, Table, func, select

from ruie.db.fold_sources import BUCKETS_S, LAST_BUCKET
from ruie.db.models import (
    attempts,
    documents,
    extractions,
    input_errors,
    metric_deltas,
    origins,
    pruned_attempts,
    quarantine,
    work_items,
)
from ruie.db.totals import Key, Total, read_totals


def rows(engine: Engine, table: Table) -> list[RowMapping]:
    with engine.connect() as conn:
        return list(conn.execute(select(table)).mappings())


def billionths(usd: float | None) -> int:
    return int(round(Decimal(str(usd)), 9) * 10**9) if usd is not None else 0


def _usage(found: Counter[Key], row: RowMapping) -> None:
    model, job = row["model"], row["job_id"]
    nusd = billionths(row["cost_usd"])
    found[Key(Total.INPUT_TOKENS, model=model)] += row["prompt_tokens"]
    found[Key(Total.CACHED_INPUT_TOKENS, model=model)] += row["cached_tokens"]
    found[Key(Total.CACHE_WRITE_TOKENS, model=model)] += row["cache_write_tokens"]
    found[Key(Total.OUTPUT_TOKENS, model=model)] += row["completion_tokens"]
    found[Key(Total.REASONING_TOKENS, model=model)] += row["reasoning_tokens"]
    found[Key(Total.SPEND_NUSD, model=model)] += nusd
    found[Key(Total.JOB_SPEND_NUSD, job, model)] += nusd
    found[Key(Total.JOB_INPUT_TOKENS, job, model)] += row["prompt_tokens"]
    found[Key(Total.JOB_OUTPUT_TOKENS, job, model)] += row["completion_tokens"]
    found[Key(Total.JOB_CACHED_INPUT_TOKENS, job, model)] += row["cached_tokens"]
    found[Key(Total.JOB_CACHE_WRITE_TOKENS, job, model)] += row["cache_write_tokens"]
    found[Key(Total.JOB_REASONING_TOKENS, job, model)] += row["reasoning_tokens"]


def counted(engine: Engine) -> dict[Key, int]:
    """What every total must be while nothing was forgotten, retried out of quarantine or deleted,
    but for failed calls that were pruned; those that are 0 are left out."""
    found: Counter[Key] = Counter()
    for row in rows(engine, extractions):
        if row["source"] != "model":
            continue
        model, task = row["model"], row["task"]
        if row["reused_from"] is not None:
            found[Key(Total.REUSED_ANSWERS, model=model, kind=task)] += 1
            continue
        found[Key(Total.ANSWERED_CALLS, model=model, kind=task)] += 1
        found[Key(Total.JOB_CALLS, row["job_id"], model, "answered")] += 1
        found[Key(Total.CALL_MICROSECONDS, model=model)] += round(row["latency_s"] * 1e6)
        within = [repr(bound) for bound in BUCKETS_S if row["latency_s"] <= bound]
        if row["provider_batch_id"] is None:  # how long a call in a batch took, nobody knows
            bucket = within[0] if within else LAST_BUCKET
            found[Key(Total.CALL_BUCKET, model=model, kind=bucket)] += 1
        for reject in row["rejects"]:
            found[Key(Total.REJECTS, kind=reject["reason"])] += 1
        _usage(found, row)
    for row in rows(engine, attempts):
        if row["error_class"] != "worker_lost":
            found[Key(Total.FAILED_CALLS, model=row["model"], kind=row["error_class"])] += 1
            found[Key(Total.JOB_CALLS, row["job_id"], row["model"], "failed")] += 1
            _usage(found, row)
    for row in rows(engine, pruned_attempts):
        if row["error_class"] != "worker_lost":
            kind = row["error_class"]
            found[Key(Total.FAILED_CALLS, model=row["model"], kind=kind)] += row["calls"]
            found[Key(Total.JOB_CALLS, row["job_id"], row["model"], "failed")] += row["calls"]
            _usage(found, row)
    found[Key(Total.DOCUMENTS)] = len(rows(engine, documents))
    found[Key(Total.INPUT_ERRORS)] = len(rows(engine, input_errors))
    for row in rows(engine, origins):
        found[Key(Total.JOB_DOCUMENTS, row["job_id"])] += 1
    for row in rows(engine, quarantine):
        found[Key(Total.QUARANTINED_ITEMS, kind=row["error_class"])] += 1
    found[Key(Total.LOST_LEASES)] = sum(row["losses"] for row in rows(engine, work_items))
    return {key: value for key, value in found.items() if value}


def kept(engine: Engine) -> dict[Key, int]:
    """The totals as they are kept; those that are 0 are left out."""
    with engine.connect() as conn:
        jobs = list(conn.scalars(select(origins.c.job_id).distinct()))
        return {
            key: value
            for key, value in read_totals(conn, jobs).values.items()
            if value and key.name is not Total.FOLDED_TO
        }


def deltas_left(engine: Engine) -> int:
    with engine.connect() as conn:
        return conn.execute(select(func.count()).select_from(metric_deltas)).scalar_one()
