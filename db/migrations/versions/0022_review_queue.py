"""Which documents of a job were chosen to be reviewed, in order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import BigId

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "review_queue",
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("document_id", BigId, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_review_queue_job_id_jobs")),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_review_queue_document_id_documents")
        ),
        sa.PrimaryKeyConstraint("job_id", "place", name=op.f("pk_review_queue")),
    )


def downgrade() -> None:
    op.drop_table("review_queue")
