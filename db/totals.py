"""Running totals: what is counted, how a transaction adds to one, and what they are now.

A total only rises. It has counted what a row said before that row was deleted (`ruie forget`), so
it may be more than a query over the rows still finds, never less. Most are counted from rows that
are only ever added (db/fold.py); the rest from deltas, which the transaction of a rare event writes
(`add_delta`). All values are whole numbers, so that sums are exact on both databases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from ruie.db.models import metric_deltas, metric_totals


class Total(StrEnum):
    """What is counted, and in the comment by what it is divided: model, kind. Those named JOB_ are
    of one job."""

    FOLDED_TO = "folded_to"  # not a total: the id up to which a table (kind) is counted
    DOCUMENTS = "documents"
    INPUT_ERRORS = "input_errors"
    ANSWERED_CALLS = "answered_calls"  # model, task
    FAILED_CALLS = "failed_calls"  # model, error class; not of workers that were lost
    REUSED_ANSWERS = "reused_answers"  # model, task
    INPUT_TOKENS = "input_tokens"  # model; the next two are parts of it
    CACHED_INPUT_TOKENS = "cached_input_tokens"  # model
    CACHE_WRITE_TOKENS = "cache_write_tokens"  # model
    OUTPUT_TOKENS = "output_tokens"  # model; the next is a part of it
    REASONING_TOKENS = "reasoning_tokens"  # model
    SPEND_NUSD = "spend_nusd"  # model; billionths of a US dollar
    CALL_MICROSECONDS = "call_microseconds"  # model; the sum over all answered calls
    CALL_BUCKET = "call_bucket"  # model, upper bound in seconds; calls in this bucket alone
    REJECTS = "rejects"  # reason
    QUARANTINED_ITEMS = "quarantined_items"  # error class
    LOST_LEASES = "lost_leases"
    JOB_DOCUMENTS = "job_documents"
    JOB_CALLS = "job_calls"  # model, answered or failed
    JOB_SPEND_NUSD = "job_spend_nusd"  # model
    JOB_INPUT_TOKENS = "job_input_tokens"  # model
    JOB_OUTPUT_TOKENS = "job_output_tokens"  # model
    JOB_CACHED_INPUT_TOKENS = "job_cached_input_tokens"  # model
    JOB_CACHE_WRITE_TOKENS = "job_cache_write_tokens"  # model
    JOB_REASONING_TOKENS = "job_reasoning_tokens"  # model


class Key(NamedTuple):
    """Which total. job_id: "" for the fleet's."""

    name: Total
    job_id: str = ""
    model: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals at one moment."""

    values: Mapping[Key, int]

    def of(self, name: Total) -> list[tuple[Key, int]]:
        """All totals of this name, sorted."""
        return sorted((key, value) for key, value in self.values.items() if key.name is name)


def add_delta(conn: Connection, name: Total, kind: str = "", value: int = 1) -> None:
    """Have `value` added to a total of the fleet: counted if and only if this transaction is."""
    conn.execute(insert(metric_deltas), {"name": name.value, "kind": kind, "value": value})


def read_totals(conn: Connection, job_ids: Sequence[str] = ()) -> Totals:
    """The fleet's totals, and those of these jobs."""
    query = select(metric_totals).where(
        metric_totals.c.name.in_([name.value for name in Total]),
        metric_totals.c.job_id.in_(["", *job_ids]),
    )
    return Totals(
        {
            Key(Total(row.name), row.job_id, row.model, row.kind): row.value
            for row in conn.execute(query)
        }
    )


def add(conn: Connection, amounts: Mapping[Key, int]) -> None:
    """Add to totals; those that are new begin at 0. Only the holder of their locks may
    (`ruie.db.fold`)."""
    rows = [{**_columns(key), "value": amounts[key]} for key in sorted(amounts) if amounts[key]]
    if rows:
        conn.execute(_ADD[conn.dialect.name], rows)


def _columns(key: Key) -> dict[str, str]:
    return {"name": key.name.value, "job_id": key.job_id, "model": key.model, "kind": key.kind}


def _adding(dialect: Any) -> Any:
    added = dialect.insert(metric_totals)
    return added.on_conflict_do_update(
        index_elements=["name", "job_id", "model", "kind"],
        set_={"value": metric_totals.c.value + added.excluded.value},
    )


_ADD = {"postgresql": _adding(postgresql), "sqlite": _adding(sqlite)}


def summed(parts: Iterable[Mapping[Key, int]]) -> dict[Key, int]:
    """Amounts of several sources together."""
    total: dict[Key, int] = {}
    for part in parts:
        for key, value in part.items():
            total[key] = total.get(key, 0) + value
    return total
