"""Reviews: people's corrections."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import BigId, Json, StorableText, UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# fmt: off
# (one column a line, one constraint a line)


def upgrade() -> None:
    op.create_table("reviews",
        sa.Column("id", BigId, nullable=False),
        sa.Column("document_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False),
        sa.Column("schema_digest", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("tasks", Json(), nullable=False),
        sa.Column("body", Json(), nullable=False),
        sa.Column("reviewer", StorableText(), nullable=True),
        sa.Column("source", StorableText(), nullable=True),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("replaced_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"],
            name="fk_reviews_document_id_documents"),
        sa.ForeignKeyConstraint(["schema_digest"], ["schemas.digest"],
            name="fk_reviews_schema_digest_schemas"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_reviews_job_id_jobs"),
        sa.PrimaryKeyConstraint("id", name="pk_reviews")
    )
    op.create_index("ix_reviews_job_id", "reviews", ["job_id"])
    op.create_index("uq_reviews_current", "reviews", ["document_id", "schema_digest"],
        unique=True, sqlite_where=sa.text("replaced_at IS NULL"),
        postgresql_where=sa.text("replaced_at IS NULL"))


def downgrade() -> None:
    op.drop_table("reviews")
