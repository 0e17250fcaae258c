"""Endpoints that are away, and what their models take."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import BigId, Json, StorableText, UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "work_items", sa.Column("throttled", sa.Integer(), nullable=False, server_default="0")
    )
    op.create_table(
        "endpoints",
        sa.Column("url", StorableText(), primary_key=True),
        sa.Column("away_since", UtcDateTime(), nullable=True),
        sa.Column("reason", StorableText(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("retry_at", UtcDateTime(), nullable=True),
        sa.Column("trying", sa.Boolean(), nullable=False),
        sa.Column("failed_items", Json(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
    )
    op.create_table(
        "request_profiles",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("endpoint", StorableText(), nullable=False),
        sa.Column("model", StorableText(), nullable=False),
        sa.Column("shape", sa.String(16), nullable=False),
        sa.Column("learned", Json(), nullable=False),
        sa.Column("proven_at", UtcDateTime(), nullable=True),
        sa.Column("turn", sa.String(32), nullable=True),
        sa.Column("turn_until", UtcDateTime(), nullable=True),
        sa.Column("refusals", sa.Integer(), nullable=False),
        sa.Column("refusal_kind", StorableText(), nullable=True),
        sa.Column("refusal", StorableText(), nullable=True),
        sa.Column("refused_items", Json(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.UniqueConstraint("endpoint", "model", "shape"),
    )


def downgrade() -> None:
    op.drop_table("request_profiles")
    op.drop_table("endpoints")
    op.drop_column("work_items", "throttled")
