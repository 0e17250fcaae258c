"""Reviews in the place of the model's records, also those that are stored already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op
from sqlalchemy import Connection

from ruie.db.review_records import place_all

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_extractions_review": ("extractions", ["review_id"]),
    "ix_work_items_review": ("work_items", ["review_id"]),
    "ix_work_items_model_extraction": ("work_items", ["model_extraction_id", "job_id"]),
}


def upgrade() -> None:
    # Written out, since Alembic copies a table of SQLite to add a key to it, or a check.
    number = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    op.execute(
        "ALTER TABLE extractions ADD COLUMN source VARCHAR(8) DEFAULT 'model' NOT NULL"
        " CONSTRAINT ck_extractions_source CHECK (source IN ('model', 'person'))"
    )
    for table, column, target in (
        ("extractions", "review_id", "reviews"),
        ("work_items", "review_id", "reviews"),
        ("work_items", "model_extraction_id", "extractions"),
    ):
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN {column} {number}"
            f" CONSTRAINT fk_{table}_{column}_{target} REFERENCES {target} (id)"
        )
    for name, (table, columns) in INDEXES.items():
        where = f"{columns[0]} IS NOT NULL"
        op.execute(f"CREATE INDEX {name} ON {table} ({', '.join(columns)}) WHERE {where}")
    place_all(op.get_bind())


@contextmanager
def _without_foreign_keys(conn: Connection, *targets: str) -> Iterator[None]:
    """PostgreSQL looks for what refers to each row that is deleted, and where no index helps, it
    reads a whole table each time. So the keys are checked once, when they are made again."""
    if conn.dialect.name == "sqlite":  # they are off during migrations
        yield
        return
    keys = [
        tuple(row)
        for target in targets
        for row in conn.exec_driver_sql(
            "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid)"
            f" FROM pg_constraint WHERE contype = 'f' AND confrelid = '{target}'::regclass"
        )
    ]
    for table, name, _ in keys:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    yield
    for table, name, definition in keys:
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


def downgrade() -> None:
    conn = op.get_bind()
    conn.exec_driver_sql(
        "UPDATE work_items SET extraction_id = model_extraction_id WHERE review_id IS NOT NULL"
    )
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table)
    op.execute("ALTER TABLE work_items DROP COLUMN model_extraction_id")
    with _without_foreign_keys(conn, "extractions", "events"):
        people = "(SELECT id FROM extractions WHERE source = 'person')"
        for table in ("event_arguments", "entities", "relations", "events"):
            conn.exec_driver_sql(f"DELETE FROM {table} WHERE extraction_id IN {people}")
        conn.exec_driver_sql("DELETE FROM extractions WHERE source = 'person'")
    op.execute("ALTER TABLE work_items DROP COLUMN review_id")
    op.execute("ALTER TABLE extractions DROP COLUMN review_id")
    op.execute("ALTER TABLE extractions DROP COLUMN source")
