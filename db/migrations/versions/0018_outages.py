"""How often an endpoint was away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "endpoints", sa.Column("outages", sa.Integer(), server_default="0", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("endpoints", "outages")
