"""Records that two chunks of a document may both have."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None

STARTS = {"entities": "char_start", "relations": "head_start", "events": "trigger_start"}


def upgrade() -> None:
    where = sa.text("shared")
    for table, start in STARTS.items():
        op.add_column(
            table, sa.Column("shared", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        op.create_index(
            f"ix_{table}_shared", table, ["document_id", start],
            sqlite_where=where, postgresql_where=where,
        )  # fmt: skip  # the index and its rows


def downgrade() -> None:
    for table in STARTS:
        op.drop_index(f"ix_{table}_shared", table)
        op.drop_column(table, "shared")
