"""The view `review_agreement`; no table changes."""

from __future__ import annotations

revision = "0010"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The views are made anew after every upgrade (db/views.py)."""


def downgrade() -> None:
    """They go with it."""
