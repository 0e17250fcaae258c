"""Records say how sure they are: a column that is null for all there are, so no row is written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_TABLES = ("entities", "relations", "events", "event_arguments")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("confidence", sa.Double()))


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_column(table, "confidence")
