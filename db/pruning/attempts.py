"""Failed calls: they go, and what they cost stays, by job, day, model and class of error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    String,
    and_,
    case,
    cast,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from ruie.db.item_states import CANCELLED, DONE
from ruie.db.models import attempts, jobs, pruned_attempts, work_items
from ruie.db.pruning.parts import JOB_ENDED, Cutoff, Found, IdRows, Kind, reasons
from ruie.db.reaper import WORKER_LOST
from ruie.db.sql import in_ids

TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens",
        "reasoning_tokens")  # fmt: skip  # a list of columns

_ITEM_ENDED = (
    select(work_items.c.id)
    .where(work_items.c.id == attempts.c.work_item_id, work_items.c.state.in_((DONE, CANCELLED)))
    .exists()
)
_JOB_ENDED = select(jobs.c.id).where(jobs.c.id == attempts.c.job_id, JOB_ENDED).exists()


class FailedCalls(IdRows):
    """Of items that are done or cancelled."""

    kind = Kind.ATTEMPTS
    table = attempts
    what = "failed calls"

    def old(self, cutoff: Cutoff) -> ColumnElement[bool]:
        return attempts.c.created_at < cutoff.before

    def why_kept(self, cutoff: Cutoff) -> ColumnElement[str]:
        lost = and_(attempts.c.error_class == WORKER_LOST, ~_JOB_ENDED)
        return reasons(
            (~_ITEM_ENDED, "of items that are open or in quarantine"),
            (lost, "of lost workers, whose cost is not confirmed, in jobs that are not over"),
            (attempts.c.id > cutoff.counted_to, "not yet counted into the metrics"),
        )

    def remove(self, conn: Connection, cutoff: Cutoff, chosen: Sequence[int]) -> Found:
        found = Found()
        ids = list(self.still(conn, cutoff, chosen))
        found.going(self.what, delete_attempts(conn, ids), cutoff.bytes(attempts, len(ids)))
        return found


def delete_attempts(conn: Connection, ids: Sequence[int]) -> int:
    """Delete attempts that are counted into the totals, and keep their sums; returns how many."""
    if not ids:
        return 0
    among = in_ids(conn, attempts.c.id, ids)
    conn.execute(_adding(conn, among))
    return conn.execute(delete(attempts).where(among)).rowcount


def _adding(conn: Connection, among: ColumnElement[bool]) -> Any:
    """The statement that adds the sums of these attempts to those that are kept."""
    day = func.substr(cast(attempts.c.created_at, String), 1, 10)
    if conn.dialect.name == "postgresql":
        day = func.to_char(func.timezone("UTC", attempts.c.created_at), "YYYY-MM-DD")
    groups = (attempts.c.job_id, day, attempts.c.model, attempts.c.error_class)
    tokens = (cast(func.sum(attempts.c[name]), BigInteger) for name in TOKENS)
    sums = select(*groups, func.count(), *tokens, func.sum(attempts.c.cost_usd))
    columns = ("job_id", "day", "model", "error_class", "calls", *TOKENS, "cost_usd")
    dialect: Any = postgresql if conn.dialect.name == "postgresql" else sqlite
    added = dialect.insert(pruned_attempts).from_select(
        columns, sums.where(among).group_by(*groups)
    )
    kept, new = pruned_attempts.c, added.excluded
    known = or_(kept.cost_usd.is_not(None), new.cost_usd.is_not(None))
    cost = func.coalesce(kept.cost_usd, 0) + func.coalesce(new.cost_usd, 0)
    return added.on_conflict_do_update(
        index_elements=columns[:4],
        set_={name: kept[name] + new[name] for name in ("calls", *TOKENS)}
        | {"cost_usd": case((known, cost))},
    )
