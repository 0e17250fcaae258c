"""What a job comes to is read from totals, and its speed from an index of the items that ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_TOTALS = {
    "job_cached_input_tokens": "cached_tokens",
    "job_cache_write_tokens": "cache_write_tokens",
    "job_reasoning_tokens": "reasoning_tokens",
}
"""Each with the column that it sums up."""
_COUNTED = (
    "SELECT job_id, model, {0} AS tokens FROM extractions WHERE source = 'model'"
    " AND reused_from IS NULL AND {0} > 0 AND id <= {1}",
    "SELECT job_id, model, {0} FROM attempts WHERE error_class <> 'worker_lost' AND {0} > 0"
    " AND id <= {2}",
    "SELECT job_id, model, {0} FROM pruned_attempts WHERE error_class <> 'worker_lost' AND {0} > 0",
)
"""What was counted into the totals so far."""
_MARK = "(SELECT value FROM metric_totals WHERE name = 'folded_to' AND kind = '{0}')"


def upgrade() -> None:
    ended = sa.text("state = 'done' OR state = 'quarantined'")
    op.create_index("ix_work_items_ended", "work_items", ["job_id", "updated_at"],
        sqlite_where=ended, postgresql_where=ended)  # fmt: skip  # as Alembic writes it
    marks = (_MARK.format("extractions"), _MARK.format("attempts"))
    for total, column in _TOTALS.items():
        counted = " UNION ALL ".join(part.format(column, *marks) for part in _COUNTED)
        op.execute(
            "INSERT INTO metric_totals (name, job_id, model, kind, value)"
            f" SELECT '{total}', c.job_id, c.model, '', SUM(c.tokens) FROM ({counted}) c"
            " GROUP BY c.job_id, c.model"
        )


def downgrade() -> None:
    listed = ", ".join(f"'{total}'" for total in _TOTALS)
    op.execute(f"DELETE FROM metric_totals WHERE name IN ({listed})")
    op.drop_index("ix_work_items_ended", "work_items")
