"""The endpoint of each failed call; the bundle of the first worker on a job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import StorableText

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null in the rows there are: the job's endpoint, which is the enqueuer's, may be another.
    op.add_column("attempts", sa.Column("endpoint", StorableText(), nullable=True))
    # Empty in every job until now. What was reused is left out: its bundle was another job's.
    op.execute(
        "UPDATE jobs SET bundle_digest = COALESCE((SELECT x.bundle_digest FROM extractions x"
        " WHERE x.id = (SELECT MIN(f.id) FROM extractions f"
        " WHERE f.job_id = jobs.id AND f.reused_from IS NULL)), '') WHERE bundle_digest = ''"
    )


def downgrade() -> None:
    op.drop_column("attempts", "endpoint")
