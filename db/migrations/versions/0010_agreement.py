"""The view `review_agreement`; the index by name has all that the views read."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BEFORE = ["name_key", "type", "document_id", "extraction_id"]


def upgrade() -> None:
    # The views are created again after every upgrade (db/views.py).
    _index([*BEFORE, "shared", "char_start", "char_end", "id"])


def downgrade() -> None:
    _index(BEFORE)


def _index(columns: list[str]) -> None:
    op.drop_index("ix_entities_name_key", "entities")
    op.create_index("ix_entities_name_key", "entities", columns)
