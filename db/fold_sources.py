"""What each table adds to the totals: counted over a range of ids, each row once.

Only tables whose rows are added and never change in what is counted here. Where rows of one of
them are to be deleted, they must have been counted before: `ruie.db.fold.folded_to` says up to
which id they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Table,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    select,
)

from ruie.db.models import attempts, documents, extractions, input_errors, origins
from ruie.db.reaper import WORKER_LOST
from ruie.db.totals import Key, Total
from ruie.db.usage_columns import FROM_MODEL, made_alone

BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of the buckets of a call's duration, seconds; the last bucket has none."""
LAST_BUCKET = "+Inf"

Amounts = dict[Key, int]


@dataclass(frozen=True, slots=True)
class Source:
    """A table, and what its rows of a range of ids (first excluded, last included) add."""

    table: Table
    count: Callable[[Connection, int, int], Amounts]

    @property
    def name(self) -> str:
        return self.table.name


def bucket_names() -> list[str]:
    """The upper bounds as Prometheus writes them."""
    return [*(repr(bound) for bound in BUCKETS_S), LAST_BUCKET]


def _within(table: Table, after: int, to: int) -> ColumnElement[bool]:
    return and_(table.c.id > after, table.c.id <= to)


def _total(column: ColumnElement[Any]) -> ColumnElement[int]:
    # PostgreSQL: the sum of integers may be a numeric, which the driver returns as a Decimal.
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def _whole(column: ColumnElement[Any], times: float) -> ColumnElement[int]:
    return cast(func.round(column * literal(times, column.type)), BigInteger)


def _usage(table: Table) -> list[ColumnElement[int]]:
    """The columns in the order of `_USAGE`."""
    return [
        _total(table.c.prompt_tokens).label("prompt"),
        _total(table.c.cached_tokens).label("cached"),
        _total(table.c.cache_write_tokens).label("cache_write"),
        _total(table.c.completion_tokens).label("completion"),
        _total(table.c.reasoning_tokens).label("reasoning"),
        _total(_whole(table.c.cost_usd, 1e9)).label("nusd"),
    ]


_USAGE = {
    "prompt": Total.INPUT_TOKENS,
    "cached": Total.CACHED_INPUT_TOKENS,
    "cache_write": Total.CACHE_WRITE_TOKENS,
    "completion": Total.OUTPUT_TOKENS,
    "reasoning": Total.REASONING_TOKENS,
    "nusd": Total.SPEND_NUSD,
}
_JOB_USAGE = {
    "prompt": Total.JOB_INPUT_TOKENS,
    "cached": Total.JOB_CACHED_INPUT_TOKENS,
    "cache_write": Total.JOB_CACHE_WRITE_TOKENS,
    "completion": Total.JOB_OUTPUT_TOKENS,
    "reasoning": Total.JOB_REASONING_TOKENS,
    "nusd": Total.JOB_SPEND_NUSD,
}


def _add(amounts: Amounts, key: Key, value: int) -> None:
    amounts[key] = amounts.get(key, 0) + value


def _add_usage(amounts: Amounts, row: Any) -> None:
    for column, name in _USAGE.items():
        _add(amounts, Key(name, model=row.model), getattr(row, column))
    for column, name in _JOB_USAGE.items():
        _add(amounts, Key(name, row.job_id, row.model), getattr(row, column))


def _in_bucket(bucket: int) -> ColumnElement[bool]:
    latency, alone = extractions.c.latency_s, made_alone(extractions)
    above = latency > BUCKETS_S[bucket - 1] if bucket else latency <= BUCKETS_S[0]
    if 0 < bucket < len(BUCKETS_S):
        return and_(alone, above, latency <= BUCKETS_S[bucket])
    return and_(alone, above)


def _answers(conn: Connection, after: int, to: int) -> Amounts:
    """Calls that were answered, answers that were used again, and what in them was no use."""
    reused = case((extractions.c.reused_from.is_(None), 0), else_=1)
    buckets = [
        _total(case((_in_bucket(i), 1), else_=0)).label(f"bucket_{i}")
        for i in range(len(BUCKETS_S) + 1)
    ]
    groups = (extractions.c.job_id, extractions.c.model, extractions.c.task, reused)
    query = (
        select(
            *groups[:3],
            cast(reused, Integer).label("reused"),
            func.count().label("calls"),
            _total(_whole(extractions.c.latency_s, 1e6)).label("microseconds"),
            *_usage(extractions),
            *buckets,
        )
        .where(_within(extractions, after, to), FROM_MODEL)
        .group_by(*groups)
    )
    amounts: Amounts = {}
    for row in conn.execute(query):
        if row.reused:
            _add(amounts, Key(Total.REUSED_ANSWERS, model=row.model, kind=row.task), row.calls)
            continue
        _add(amounts, Key(Total.ANSWERED_CALLS, model=row.model, kind=row.task), row.calls)
        _add(amounts, Key(Total.JOB_CALLS, row.job_id, row.model, "answered"), row.calls)
        _add(amounts, Key(Total.CALL_MICROSECONDS, model=row.model), row.microseconds)
        for i, bound in enumerate(bucket_names()):
            _add(
                amounts,
                Key(Total.CALL_BUCKET, model=row.model, kind=bound),
                getattr(row, f"bucket_{i}"),
            )
        _add_usage(amounts, row)
    _add_rejects(conn, amounts, after, to)
    return amounts


def _add_rejects(conn: Connection, amounts: Amounts, after: int, to: int) -> None:
    """By reason. Those of an answer that is used again were counted with the answer."""
    query = select(extractions.c.rejects).where(
        _within(extractions, after, to),
        FROM_MODEL,
        extractions.c.reused_from.is_(None),
        cast(extractions.c.rejects, Text) != "[]",
    )
    for rejects in conn.scalars(query):
        for reject in rejects:
            _add(amounts, Key(Total.REJECTS, kind=reject["reason"]), 1)


def _failures(conn: Connection, after: int, to: int) -> Amounts:
    """Calls that failed. Not those of workers that were lost: whether they were made, and what they
    cost, is not known, and may yet be found out (`ruie.db.reaper.withdraw_lost`)."""
    groups = (attempts.c.job_id, attempts.c.model, attempts.c.error_class)
    query = (
        select(*groups, func.count().label("calls"), *_usage(attempts))
        .where(_within(attempts, after, to), attempts.c.error_class != WORKER_LOST)
        .group_by(*groups)
    )
    amounts: Amounts = {}
    for row in conn.execute(query):
        _add(amounts, Key(Total.FAILED_CALLS, model=row.model, kind=row.error_class), row.calls)
        _add(amounts, Key(Total.JOB_CALLS, row.job_id, row.model, "failed"), row.calls)
        _add_usage(amounts, row)
    return amounts


def _rows(table: Table, name: Total) -> Callable[[Connection, int, int], Amounts]:
    def count(conn: Connection, after: int, to: int) -> Amounts:
        query = select(func.count()).where(_within(table, after, to))
        return {Key(name): conn.execute(query).scalar_one()}

    return count


def _job_documents(conn: Connection, after: int, to: int) -> Amounts:
    query = (
        select(origins.c.job_id, func.count())
        .where(_within(origins, after, to))
        .group_by(origins.c.job_id)
    )
    return {Key(Total.JOB_DOCUMENTS, job): count for job, count in conn.execute(query)}


SOURCES = (
    Source(extractions, _answers),
    Source(attempts, _failures),
    Source(documents, _rows(documents, Total.DOCUMENTS)),
    Source(origins, _job_documents),
    Source(input_errors, _rows(input_errors, Total.INPUT_ERRORS)),
)
