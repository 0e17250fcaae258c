"""Failed calls: they go, and what they cost stays, by job, day, model and class of error."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, delete, select

from ruie.db.call_sums import add_sums
from ruie.db.item_states import CANCELLED, DONE
from ruie.db.models import attempts, jobs, pruned_attempts, work_items
from ruie.db.pruning.parts import JOB_ENDED, Cutoff, Found, IdRows, Kind, reasons
from ruie.db.reaper import WORKER_LOST
from ruie.db.sql import in_ids

# Looked up for each: of an EXISTS, PostgreSQL may read all work items instead, for each span anew.
_ITEM_ENDED = (
    select(work_items.c.state)
    .where(work_items.c.id == attempts.c.work_item_id)
    .scalar_subquery()
    .in_((DONE, CANCELLED))
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
    add_sums(conn, pruned_attempts, attempts, among, by=["error_class"])
    return conn.execute(delete(attempts).where(among)).rowcount
