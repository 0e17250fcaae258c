"""Work items that go: how many there were of each task and state stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from ruie.db.item_states import CANCELLED
from ruie.db.models import (
    attempts,
    jobs,
    provider_requests,
    pruned_items,
    quarantine,
    work_items,
)
from ruie.db.pruning.parts import JOB_ENDED, Cutoff, Found, IdRows, Kind, reasons
from ruie.db.sql import in_ids


class CancelledItems(IdRows):
    """That were never answered."""

    kind = Kind.JOBS
    table = work_items
    what = "cancelled work items"

    def old(self, cutoff: Cutoff) -> ColumnElement[bool]:
        shown = (work_items.c.extraction_id, work_items.c.model_extraction_id,
                 work_items.c.review_id)  # fmt: skip  # a list of columns
        return and_(
            work_items.c.state == CANCELLED,
            work_items.c.updated_at < cutoff.before,
            *(column.is_(None) for column in shown),
        )

    def why_kept(self, cutoff: Cutoff) -> ColumnElement[str]:
        ended = select(jobs.c.id).where(jobs.c.id == work_items.c.job_id, JOB_ENDED)
        with_others = [
            exists().where(table.c.work_item_id == work_items.c.id)
            for table in (provider_requests, quarantine)
        ]
        failed = exists().where(attempts.c.work_item_id == work_items.c.id)
        return reasons(
            (~ended.exists(), "of jobs that are not over"),
            (with_others[0] | with_others[1], "something of them is kept"),
            (failed, "they have failed calls, which go first"),
        )

    def remove(self, conn: Connection, cutoff: Cutoff, chosen: Sequence[int]) -> Found:
        found = Found()
        ids = list(self.still(conn, cutoff, chosen))
        found.going(self.what, delete_items(conn, ids), cutoff.bytes(work_items, len(ids)))
        return found


def delete_items(conn: Connection, ids: Sequence[int]) -> int:
    """Delete work items to which nothing refers, and keep their counts; returns how many."""
    if not ids:
        return 0
    among = in_ids(conn, work_items.c.id, ids)
    conn.execute(_adding(conn, among))
    return conn.execute(delete(work_items).where(among)).rowcount


def _adding(conn: Connection, among: ColumnElement[bool]) -> Any:
    """The statement that adds the counts of these items to those that are kept."""
    groups = (work_items.c.job_id, work_items.c.task, work_items.c.state)
    counts = select(*groups, func.count()).where(among).group_by(*groups)
    columns = ("job_id", "task", "state", "items")
    dialect: Any = postgresql if conn.dialect.name == "postgresql" else sqlite
    added = dialect.insert(pruned_items).from_select(columns, counts)
    return added.on_conflict_do_update(
        index_elements=columns[:3],
        set_={"items": pruned_items.c["items"] + added.excluded["items"]},
    )
