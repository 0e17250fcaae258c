"""What was given up counts as missed in the view `review_agreement`."""

from __future__ import annotations

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The views are created again after every upgrade (db/views.py)."""


def downgrade() -> None:
    """Likewise."""
