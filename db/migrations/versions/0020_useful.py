"""How many worker processes could be fed, as the leading coordinator says."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import UtcDateTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("leadership", sa.Column("useful_processes", sa.Integer()))
    op.add_column("leadership", sa.Column("useful_at", UtcDateTime()))


def downgrade() -> None:
    op.drop_column("leadership", "useful_at")
    op.drop_column("leadership", "useful_processes")
