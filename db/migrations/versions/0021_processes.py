"""Which processes are alive, as each says itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import StorableText, UtcDateTime

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "processes",
        sa.Column("name", StorableText(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("host", StorableText(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", StorableText(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("batch", sa.String(32)),
        sa.Column("priority", sa.Integer()),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('coordinator', 'worker')", name=op.f("ck_processes_kind")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_processes")),
    )


def downgrade() -> None:
    op.drop_table("processes")
