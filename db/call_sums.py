"""Calls summed by job, day and model, into a table that keeps the sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    String,
    Table,
    case,
    cast,
    func,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens",
        "reasoning_tokens")  # fmt: skip  # a list of columns


def add_sums(
    conn: Connection,
    kept: Table,
    calls: Table,
    among: ColumnElement[bool],
    *,
    count: str = "calls",
    by: Sequence[str] = (),
) -> None:
    """Add the sums of these calls (rows of `extractions` or `attempts`) to those in `kept`, whose
    key is job, day (UTC) and model. count: its column that counts them. by: the further columns of
    its key. A cost of which nothing is known stays null."""
    groups = [calls.c.job_id, _day(conn, calls), calls.c.model, *(calls.c[name] for name in by)]
    key = ["job_id", "day", "model", *by]
    tokens = (cast(func.sum(calls.c[name]), BigInteger) for name in TOKENS)
    sums = select(*groups, func.count(), *tokens, func.sum(calls.c.cost_usd))
    dialect: Any = postgresql if conn.dialect.name == "postgresql" else sqlite
    added = dialect.insert(kept).from_select(
        [*key, count, *TOKENS, "cost_usd"], sums.where(among).group_by(*groups)
    )
    there, new = kept.c, added.excluded
    known = or_(there.cost_usd.is_not(None), new.cost_usd.is_not(None))
    cost = func.coalesce(there.cost_usd, 0) + func.coalesce(new.cost_usd, 0)
    conn.execute(
        added.on_conflict_do_update(
            index_elements=key,
            set_={name: there[name] + new[name] for name in (count, *TOKENS)}
            | {"cost_usd": case((known, cost))},
        )
    )


def _day(conn: Connection, calls: Table) -> ColumnElement[str]:
    if conn.dialect.name == "postgresql":
        return func.to_char(func.timezone("UTC", calls.c.created_at), "YYYY-MM-DD")
    return func.substr(cast(calls.c.created_at, String), 1, 10)
