"""Schedules: when each is next due, missed and overlapping runs, leases of runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import Json, StorableText, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_DUE = sa.text("next_due_at IS NOT NULL")


def upgrade() -> None:
    with op.batch_alter_table("schedules") as schedules:
        for column in (
            sa.Column("missed", sa.String(16), nullable=False, server_default="catch-up"),
            sa.Column("overlap", sa.String(16), nullable=False, server_default="refuse"),
            sa.Column("retries", sa.Integer(), nullable=False, server_default="0"),
            sa.Column("next_due_at", UtcDateTime(), nullable=True),
        ):
            schedules.add_column(column)
        schedules.create_check_constraint(
            op.f("ck_schedules_missed"), "missed IN ('catch-up', 'skip')"
        )
        schedules.create_check_constraint(
            op.f("ck_schedules_overlap"), "overlap IN ('refuse', 'queue')"
        )
    op.create_index(
        "ix_schedules_next_due_at", "schedules", ["next_due_at"],
        sqlite_where=_DUE, postgresql_where=_DUE,
    )  # fmt: skip  # the index, and where
    for column in (
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("not_before", UtcDateTime(), nullable=True),
        sa.Column("lease_owner", StorableText(), nullable=True),
        sa.Column("lease_expires", UtcDateTime(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("counts", Json(), nullable=True),
    ):
        op.add_column("schedule_runs", column)
    op.create_index("ix_schedule_runs_state", "schedule_runs", ["state"])


def downgrade() -> None:
    op.drop_index("ix_schedule_runs_state", "schedule_runs")
    with op.batch_alter_table("schedule_runs") as runs:
        for column in (
            "counts", "finished_at", "started_at", "lease_expires", "lease_owner", "not_before",
            "attempts",
        ):  # fmt: skip  # a list
            runs.drop_column(column)
    op.drop_index("ix_schedules_next_due_at", "schedules")
    with op.batch_alter_table("schedules") as schedules:
        for check in ("ck_schedules_overlap", "ck_schedules_missed"):
            schedules.drop_constraint(op.f(check), type_="check")
        for column in ("next_due_at", "retries", "overlap", "missed"):
            schedules.drop_column(column)
