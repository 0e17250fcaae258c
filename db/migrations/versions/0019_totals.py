"""Running totals for metrics."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import BigId, StorableText

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# What no row tells any more once it is retried or forgotten begins with what there is; all else is
# counted from the first row on.
_SO_FAR = (
    "INSERT INTO metric_totals (name, job_id, model, kind, value)"
    " SELECT 'quarantined_items', '', '', error_class, COUNT(*) FROM quarantine"
    " GROUP BY error_class",
    "INSERT INTO metric_totals (name, job_id, model, kind, value)"
    " SELECT 'lost_leases', '', '', '', SUM(losses) FROM work_items WHERE losses > 0"
    " HAVING SUM(losses) > 0",
)


def upgrade() -> None:
    op.create_table(
        "metric_totals",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("model", StorableText(), nullable=False),
        sa.Column("kind", StorableText(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "job_id", "model", "kind", name=op.f("pk_metric_totals")),
    )
    op.create_table(
        "metric_deltas",
        sa.Column("id", BigId, nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("kind", StorableText(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metric_deltas")),
    )
    for statement in _SO_FAR:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("metric_deltas")
    op.drop_table("metric_totals")
