"""What remains of rows that were pruned, and the indexes by which others are found quickly that
refer to an event or a job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import StorableText, Usd

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

SUMS = ("calls", "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens",
        "reasoning_tokens")  # fmt: skip  # a list of columns
INDEXES = (
    ("ix_work_items_event", "work_items", "event_id"),
    ("ix_schedule_runs_job", "schedule_runs", "job_id"),
)


# fmt: off
# (one column a line, one constraint a line)


def upgrade() -> None:
    op.create_table("pruned_attempts",
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("model", StorableText(), nullable=False),
        sa.Column("error_class", StorableText(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.Column("cost_usd", Usd),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"],
            name=op.f("fk_pruned_attempts_job_id_jobs")),
        sa.PrimaryKeyConstraint("job_id", "day", "model", "error_class",
            name=op.f("pk_pruned_attempts")),
    )
    op.create_table("pruned_items",
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("task", sa.String(8), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'leased', 'submitted', 'done', 'retry',"
            " 'quarantined', 'cancelled')", name=op.f("ck_pruned_items_state")),
        sa.CheckConstraint("task IN ('NER', 'RE', 'ED', 'EAE')", name=op.f("ck_pruned_items_task")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_pruned_items_job_id_jobs")),
        sa.PrimaryKeyConstraint("job_id", "task", "state", name=op.f("pk_pruned_items")),
    )
    for name, table, column in INDEXES:
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(name, table, [column], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for name, table, _ in INDEXES:
        op.drop_index(name, table)
    op.drop_table("pruned_items")
    op.drop_table("pruned_attempts")
