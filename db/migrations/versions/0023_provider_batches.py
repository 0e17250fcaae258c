"""Batches at a provider."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import BigId, Json, MaskedText, StorableText, UtcDateTime
from ruie.errors import DatabaseError
from ruie.modes import is_batch

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

OLD = "state IN ('pending', 'leased', 'done', 'retry', 'quarantined', 'cancelled')"
NEW = "state IN ('pending', 'leased', 'submitted', 'done', 'retry', 'quarantined', 'cancelled')"


def upgrade() -> None:
    op.add_column("extractions", sa.Column("provider_batch_id", sa.BigInteger()))
    op.add_column("work_items", sa.Column("mode", sa.String(16)))
    _check_states(OLD, NEW)
    submitted = sa.text("state = 'submitted'")
    op.create_index(
        "ix_work_items_submitted", "work_items", ["job_id"],
        sqlite_where=submitted, postgresql_where=submitted,
    )  # fmt: skip  # one index
    _create_batches()
    _create_requests()


def _check_states(old: str, new: str) -> None:
    """On SQLite in the table's definition, as its documentation has it ("Making Other Kinds Of
    Table Schema Changes"): Alembic would copy the table."""
    conn = op.get_bind()
    if conn.dialect.name != "sqlite":
        op.drop_constraint(op.f("ck_work_items_state"), "work_items", type_="check")
        op.create_check_constraint(op.f("ck_work_items_state"), "work_items", new)
        return
    version = conn.exec_driver_sql("PRAGMA schema_version").scalar_one()
    conn.exec_driver_sql("PRAGMA writable_schema=ON")
    altered = conn.exec_driver_sql(
        "UPDATE sqlite_schema SET sql = replace(sql, ?, ?)"
        " WHERE type = 'table' AND name = 'work_items' AND instr(sql, ?) > 0",
        (old, new, old),
    ).rowcount
    conn.exec_driver_sql(f"PRAGMA schema_version={version + 1}")
    conn.exec_driver_sql("PRAGMA writable_schema=OFF")
    if altered != 1:
        raise RuntimeError("The table work_items is not as this revision finds it.")


# fmt: off
# (one column a line, one constraint a line)


def _create_batches() -> None:
    op.create_table("provider_batches",
        sa.Column("id", BigId, nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("endpoint", MaskedText(), nullable=False),
        sa.Column("model", StorableText(), nullable=False),
        sa.Column("scope", StorableText(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("creates", sa.Integer(), nullable=False),
        sa.Column("input_file", StorableText()),
        sa.Column("provider_id", StorableText()),
        sa.Column("provider_state", StorableText()),
        sa.Column("doubles", BigId),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("cancelling", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("error", MaskedText()),
        sa.Column("submitted_at", UtcDateTime()),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("state IN ('preparing', 'submitting', 'running', 'ended', 'harvested',"
            " 'done', 'failed')", name=op.f("ck_provider_batches_state")),
        sa.ForeignKeyConstraint(["doubles"], ["provider_batches.id"],
            name=op.f("fk_provider_batches_doubles_provider_batches")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_batches")),
        sa.UniqueConstraint("token", name=op.f("uq_provider_batches_token")),
    )
    is_open = sa.text("state <> 'done' AND state <> 'failed'")
    op.create_index("ix_provider_batches_open", "provider_batches", ["id"],
        sqlite_where=is_open, postgresql_where=is_open)


def _create_requests() -> None:
    op.create_table("provider_requests",
        sa.Column("id", BigId, nullable=False),
        sa.Column("batch_id", BigId),
        sa.Column("work_item_id", BigId, nullable=False),
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("endpoint", MaskedText(), nullable=False),
        sa.Column("model", StorableText(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("question", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("reserved_nusd", sa.BigInteger()),
        sa.Column("reserved_on", sa.String(10)),
        sa.Column("answer", sa.LargeBinary()),
        sa.Column("cost_nusd", sa.BigInteger()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'answered', 'late')",
            name=op.f("ck_provider_requests_state")),
        sa.ForeignKeyConstraint(["batch_id"], ["provider_batches.id"],
            name=op.f("fk_provider_requests_batch_id_provider_batches")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"],
            name=op.f("fk_provider_requests_job_id_jobs")),
        sa.ForeignKeyConstraint(["work_item_id"], ["work_items.id"],
            name=op.f("fk_provider_requests_work_item_id_work_items")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_requests")),
    )
    op.create_index("ix_provider_requests_work_item_id", "provider_requests", ["work_item_id"])
    op.create_index("ix_provider_requests_batch", "provider_requests", ["batch_id", "id"])
    op.create_index("ix_provider_requests_key", "provider_requests", ["key"])
    for state, columns in (
        ("waiting", ["job_id", "id"]), ("answered", ["job_id", "work_item_id"]),
    ):
        where = sa.text(f"state = '{state}'")
        op.create_index(f"ix_provider_requests_{state}", "provider_requests", columns,
            sqlite_where=where, postgresql_where=where)


def _refuse_what_would_be_paid_twice() -> None:
    """An older version knows of no batch: it would ask again what one is charged for."""
    conn = op.get_bind()
    open_batches = conn.exec_driver_sql(
        "SELECT COUNT(*) FROM provider_batches WHERE state <> 'done' AND state <> 'failed'"
    ).scalar_one()
    requests = conn.exec_driver_sql("SELECT COUNT(*) FROM provider_requests").scalar_one()
    if open_batches or requests:
        raise DatabaseError(
            f"Batches are under way: {open_batches}, with {requests} requests. An older version"
            " would ask, and pay for, the same again.",
            "Let the fleet go on until they are done (`ruie batch list`), or cancel them"
            " (`ruie batch cancel`).",
        )
    listed = conn.execute(
        sa.select(sa.column("id", sa.String()), sa.column("settings", Json()))
        .select_from(sa.table("jobs"))
        .where(sa.column("state").in_(["running", "paused"]))
    )
    batched = [job for job, body in listed if is_batch(body.get("parameters", {}))]
    if batched:
        raise DatabaseError(
            f"{', '.join(batched)}: in the mode batch, which an older version does not have.",
            "Change it with `ruie job set JOB --mode standard`.",
        )


def downgrade() -> None:
    _refuse_what_would_be_paid_twice()
    op.drop_table("provider_requests")
    op.drop_table("provider_batches")
    op.drop_index("ix_work_items_submitted", "work_items")
    _check_states(NEW, OLD)
    op.drop_column("work_items", "mode")
    op.drop_column("extractions", "provider_batch_id")
