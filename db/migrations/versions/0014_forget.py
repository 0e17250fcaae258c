"""When a document was forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("forgotten_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("documents", "forgotten_at")
