"""Names: the keys of mentions, canonical names, and the indexes that queries need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.rekey_names import NAMED, rekey_names
from ruie.db.types import NameKey, StorableText

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_entities_name_key": ("entities", ["name_key", "type", "document_id", "extraction_id"]),
    "ix_relations_type": ("relations", ["type", "id"]),
    "ix_relations_head_key": ("relations", ["head_key", "type"]),
    "ix_relations_tail_key": ("relations", ["tail_key", "type"]),
    "ix_events_type": ("events", ["type", "id"]),
    "ix_event_arguments_name_key": ("event_arguments", ["name_key", "role", "event_id"]),
}


def upgrade() -> None:
    op.create_table(
        "canonical",
        sa.Column("key", NameKey(), nullable=False),
        sa.Column("seen", StorableText(), nullable=False),
        sa.Column("name", NameKey(), nullable=False),
        sa.Column("mapped", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_canonical"),
    )
    op.create_index("ix_canonical_name", "canonical", ["name"])
    # With a constant default neither database rewrites the table.
    for table, _, key in NAMED:
        op.add_column(table, sa.Column(key, NameKey(), nullable=False, server_default=""))
    rekey_names(op.get_bind())
    # After the rows: an index is made faster than it is kept.
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)
    _index_extractions(["extraction_id", "job_id"])
    if op.get_bind().dialect.name == "postgresql":
        # Names are of very different frequency: more of them are to be known to the planner.
        for table, _, key in NAMED:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {key} SET STATISTICS 1000")
        for table in dict.fromkeys(table for table, _, _ in NAMED):
            op.execute(f"ANALYZE {table}")


def downgrade() -> None:
    _index_extractions(["extraction_id"])
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table)
    for table, _, key in NAMED:
        op.drop_column(table, key)
    op.drop_table("canonical")


def _index_extractions(columns: list[str]) -> None:
    where = sa.text("extraction_id IS NOT NULL")
    op.drop_index("ix_work_items_extraction", "work_items")
    op.create_index(
        "ix_work_items_extraction", "work_items", columns, sqlite_where=where,
        postgresql_where=where,
    )  # fmt: skip  # one call
