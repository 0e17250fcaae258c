"""Demonstrations that people added: sets of them, their rows, and which a job or a call used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import BigId, Json, StorableText, UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "demonstration_sets",
        sa.Column("id", BigId, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("learned_for", StorableText(), nullable=True),
        sa.Column("source", StorableText(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_demonstration_sets")),
    )
    op.create_index("ix_demonstration_sets_digest", "demonstration_sets", ["digest"])
    op.create_index(
        "ix_demonstration_sets_learned_for", "demonstration_sets", ["learned_for", "id"]
    )
    op.create_table(
        "demonstrations",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("body", Json(), nullable=False),
        sa.Column("encoder", sa.String(64), nullable=True),
        sa.Column("vector", StorableText(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_demonstrations")),
    )
    op.create_table(
        "demonstration_set_rows",
        sa.Column("set_id", BigId, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("set_id", "position", name=op.f("pk_demonstration_set_rows")),
        sa.ForeignKeyConstraint(
            ["set_id"],
            ["demonstration_sets.id"],
            name=op.f("fk_demonstration_set_rows_set_id_demonstration_sets"),
        ),
        sa.ForeignKeyConstraint(
            ["digest"],
            ["demonstrations.digest"],
            name=op.f("fk_demonstration_set_rows_digest_demonstrations"),
        ),
    )
    op.create_index("ix_demonstration_set_rows_digest", "demonstration_set_rows", ["digest"])
    op.add_column("jobs", sa.Column("demonstration_set", sa.BigInteger(), nullable=True))
    op.add_column(
        "jobs", sa.Column("refreshed", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("extractions", sa.Column("demonstration_sets", Json(), nullable=True))


def downgrade() -> None:
    op.drop_column("extractions", "demonstration_sets")
    op.drop_column("jobs", "refreshed")
    op.drop_column("jobs", "demonstration_set")
    op.drop_table("demonstration_set_rows")
    op.drop_table("demonstrations")
    op.drop_table("demonstration_sets")
