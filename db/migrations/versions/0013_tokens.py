"""Cached, written and reasoning tokens of each call."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = ("extractions", "attempts")
COLUMNS = ("cached_tokens", "cache_write_tokens", "reasoning_tokens")


def upgrade() -> None:
    for table in TABLES:
        for column in COLUMNS:
            count = sa.Column(column, sa.Integer(), nullable=False, server_default="0")
            op.add_column(table, count)


def downgrade() -> None:
    for table in TABLES:
        for column in reversed(COLUMNS):
            op.drop_column(table, column)
