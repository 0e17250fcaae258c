"""Calls say in which mode they were made, and failed ones in which batch; so does the view of
where records come from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("extractions", sa.Column("mode", sa.String(16)))
    op.add_column("attempts", sa.Column("provider_batch_id", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("attempts", "provider_batch_id")
    op.drop_column("extractions", "mode")
