"""Corpora, and how far each source was read: from where enqueueing is continued."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import StorableText, UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_OPEN = sa.text("enqueued_at IS NULL")
_CORPUS = sa.text("corpus IS NOT NULL")
_CURRENT = sa.text("corpus IS NOT NULL AND state = 'current'")
# As a statement of its own: neither database then rewrites the table, which may have many rows.
_STATE = """ALTER TABLE origins ADD COLUMN state VARCHAR(16) DEFAULT 'current' NOT NULL
    CONSTRAINT ck_origins_state CHECK (state IN ('current', 'superseded', 'removed'))"""


def upgrade() -> None:
    for column in (
        sa.Column("corpus", StorableText(), nullable=True),
        sa.Column("question", sa.String(64), nullable=True),
        sa.Column("scope", sa.String(64), nullable=True),
        sa.Column("enqueue_key", sa.String(64), nullable=True),
    ):
        op.add_column("jobs", column)
    op.create_index(
        "ix_jobs_enqueue_key", "jobs", ["enqueue_key"], sqlite_where=_OPEN, postgresql_where=_OPEN
    )
    op.create_index(
        "ix_jobs_corpus", "jobs", ["corpus"], sqlite_where=_CORPUS, postgresql_where=_CORPUS
    )
    op.add_column("origins", sa.Column("corpus", StorableText(), nullable=True))
    op.execute(_STATE)
    op.add_column("origins", sa.Column("changed_at", UtcDateTime(), nullable=True))
    op.add_column("origins", sa.Column("seen_in", sa.String(32), nullable=True))
    op.create_index(
        "uq_origins_current", "origins", ["corpus", "external_id"], unique=True,
        sqlite_where=_CURRENT, postgresql_where=_CURRENT,
    )  # fmt: skip  # the index, and where
    op.create_table(
        "job_sources",
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("source", StorableText(), nullable=False),
        sa.Column("fingerprint", StorableText(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('reading', 'done', 'unchanged', 'broken')", name=op.f("ck_job_sources_state")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_sources_job_id_jobs"),
        sa.PrimaryKeyConstraint("job_id", "source", name="pk_job_sources"),
    )


def downgrade() -> None:
    op.drop_table("job_sources")
    op.drop_index("uq_origins_current", "origins")
    for name in ("seen_in", "changed_at", "state", "corpus"):
        op.drop_column("origins", name)
    for index in ("ix_jobs_corpus", "ix_jobs_enqueue_key"):
        op.drop_index(index, "jobs")
    for name in ("enqueue_key", "scope", "question", "corpus"):
        op.drop_column("jobs", name)
