"""Full-text search over documents. Existing ones are indexed later, like new ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import BigId, Json

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# The words come folded and apart by spaces (ruie/words.py), so that both databases find the same:
# FTS5's ascii tokenizer leaves all else as it is. The text is not stored a second time.
SQLITE = ["CREATE VIRTUAL TABLE documents_fts USING fts5(words, content='', tokenize='ascii')"]
POSTGRESQL = [
    """CREATE TABLE documents_fts (
        rowid bigint CONSTRAINT pk_documents_fts PRIMARY KEY
            CONSTRAINT fk_documents_fts_rowid_document_parts REFERENCES document_parts (id),
        words tsvector NOT NULL
    )""",
    "CREATE INDEX ix_documents_fts_words ON documents_fts USING gin (words)",
]


def upgrade() -> None:
    op.create_table(
        "document_parts",
        sa.Column("id", BigId, autoincrement=False, nullable=False),
        sa.Column("document_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False),
        sa.Column("char_start", sa.Integer(), nullable=False),
        sa.Column("char_end", sa.Integer(), nullable=False),
        sa.CheckConstraint("char_start >= 0 AND char_end >= char_start",
            name=op.f("ck_document_parts_located")),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"],
            name="fk_document_parts_document_id_documents"),
        sa.PrimaryKeyConstraint("id", name="pk_document_parts"),
        sa.UniqueConstraint("document_id", "char_start",
            name="uq_document_parts_document_id_char_start"),
    )  # fmt: skip  # one column, one constraint after the other
    op.create_table(
        "search_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("indexed_to", sa.BigInteger(), nullable=False),
        sa.Column("settled_to", sa.BigInteger(), nullable=False),
        sa.Column("pending_to", sa.BigInteger(), nullable=True),
        sa.Column("writers", Json(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_search_state"),
    )
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("search_state")
    op.execute("DROP TABLE documents_fts")
    op.drop_table("document_parts")
