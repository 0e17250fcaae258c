"""Spending and its caps, the calls that failed, overrides of single items."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import BigId, StorableText, Usd, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# fmt: off
# (one column a line, one constraint a line)


def upgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("cap_nusd", sa.BigInteger(), nullable=True))
        jobs.add_column(sa.Column("paused_by", sa.String(length=16), nullable=True))
        jobs.add_column(
            sa.Column("forced", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        jobs.create_check_constraint(
            op.f("ck_jobs_paused_by"),
            "paused_by IN ('person', 'error', 'job_cap', 'day_cap')",
        )
    op.execute("UPDATE jobs SET paused_by = 'person' WHERE state = 'paused'")
    for column in (
        sa.Column("model", StorableText(), nullable=True),
        sa.Column("max_tokens", sa.Integer(), nullable=True),
        sa.Column("demonstrations", sa.Integer(), nullable=True),
        sa.Column("reserved_nusd", sa.BigInteger(), nullable=True),
        sa.Column("reserved_on", sa.String(length=10), nullable=True),
    ):
        op.add_column("work_items", column)
    op.create_table("attempts",
        sa.Column("id", BigId, nullable=False),
        sa.Column("work_item_id", BigId, nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("error_class", StorableText(), nullable=False),
        sa.Column("error", StorableText(), nullable=False),
        sa.Column("model", StorableText(), nullable=False),
        sa.Column("raw_output", StorableText(), nullable=True),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("cost_usd", Usd, nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_attempts_job_id_jobs"),
        sa.ForeignKeyConstraint(["work_item_id"], ["work_items.id"],
            name="fk_attempts_work_item_id_work_items"),
        sa.PrimaryKeyConstraint("id", name="pk_attempts")
    )
    op.create_index("ix_attempts_job_id", "attempts", ["job_id"])
    op.create_index("ix_attempts_work_item_id", "attempts", ["work_item_id"])
    op.create_table("spend_accounts",
        sa.Column("account", sa.String(length=32), nullable=False),
        sa.Column("committed_nusd", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_spend_accounts")
    )
    op.create_table("spend_refunds",
        sa.Column("id", BigId, nullable=False),
        sa.Column("account", sa.String(length=32), nullable=False),
        sa.Column("nusd", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_spend_refunds")
    )
    op.create_index("ix_spend_refunds_account", "spend_refunds", ["account"])


def downgrade() -> None:
    for table in ("spend_refunds", "spend_accounts", "attempts"):
        op.drop_table(table)
    with op.batch_alter_table("work_items") as items:
        for column in ("reserved_on", "reserved_nusd", "demonstrations", "max_tokens", "model"):
            items.drop_column(column)
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_constraint(op.f("ck_jobs_paused_by"), type_="check")
        for column in ("forced", "paused_by", "cap_nusd"):
            jobs.drop_column(column)
