"""The key of what was sent, and how the answer ended: to read it again for another text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import StorableText

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("extractions", sa.Column("prompt_key", sa.String(64), nullable=True))
    op.add_column("extractions", sa.Column("finish_reason", StorableText(), nullable=True))
    op.create_index("ix_extractions_prompt_key", "extractions", ["prompt_key"])


def downgrade() -> None:
    op.drop_index("ix_extractions_prompt_key", "extractions")
    op.drop_column("extractions", "finish_reason")
    op.drop_column("extractions", "prompt_key")
