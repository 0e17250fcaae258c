"""Every table of the first version.

As Alembic writes it, one column a line; so it is longer than other files.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ruie.db.types import BigId, Json, StorableText, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def located(name: str, start: str, end: str, grounding: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(
        f"({start} IS NULL AND {end} IS NULL AND {grounding} = 'none')"
        f" OR ({start} >= 0 AND {end} >= {start})",
        name=op.f(name),
    )


def index(
    name: str, table: str, columns: list[str], where: str | None = None, unique: bool = False
) -> None:
    part = None if where is None else sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=part, postgresql_where=part)


# fmt: off
# (one column a line, one constraint a line)


def upgrade() -> None:
    op.create_table("documents",
        sa.Column("id", BigId, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("text", StorableText(), nullable=False),
        sa.Column("chars", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
        sa.UniqueConstraint("digest", name="uq_documents_digest")
    )
    op.create_table("leadership",
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("holder", StorableText(), nullable=True),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("expires", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("role", name="pk_leadership")
    )
    op.create_table("schedules",
        sa.Column("id", BigId, nullable=False),
        sa.Column("name", StorableText(), nullable=False),
        sa.Column("cron", StorableText(), nullable=False),
        sa.Column("timezone", StorableText(), nullable=False),
        sa.Column("spec", Json(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schedules"),
        sa.UniqueConstraint("name", name="uq_schedules_name")
    )
    op.create_table("schemas",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", StorableText(), nullable=False),
        sa.Column("body", Json(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_schemas")
    )
    op.create_table("chunks",
        sa.Column("id", BigId, nullable=False),
        sa.Column("document_id", BigId, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("char_start", sa.Integer(), nullable=False),
        sa.Column("char_end", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.CheckConstraint("char_start >= 0 AND char_end >= char_start",
            name=op.f("ck_chunks_located")),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"],
            name="fk_chunks_document_id_documents"),
        sa.PrimaryKeyConstraint("id", name="pk_chunks"),
        sa.UniqueConstraint("document_id", "char_start", "char_end",
            name="uq_chunks_document_id_char_start_char_end")
    )
    op.create_table("jobs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", StorableText(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", StorableText(), nullable=True),
        sa.Column("schema_digest", sa.String(length=64), nullable=False),
        sa.Column("model", StorableText(), nullable=False),
        sa.Column("endpoint", StorableText(), nullable=False),
        sa.Column("bundle_digest", sa.String(length=64), nullable=False),
        sa.Column("prompt_version", sa.String(length=64), nullable=False),
        sa.Column("settings", Json(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("enqueued_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("state IN ('running', 'paused', 'done', 'cancelled', 'failed')",
            name=op.f("ck_jobs_state")),
        sa.ForeignKeyConstraint(["schema_digest"], ["schemas.digest"],
            name="fk_jobs_schema_digest_schemas"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs")
    )
    index("ix_jobs_state", "jobs", ["state"])
    op.create_table("extractions",
        sa.Column("id", BigId, nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("chunk_id", BigId, nullable=False),
        sa.Column("task", sa.String(length=8), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("model", StorableText(), nullable=False),
        sa.Column("endpoint", StorableText(), nullable=False),
        sa.Column("prompt_version", sa.String(length=64), nullable=False),
        sa.Column("bundle_digest", sa.String(length=64), nullable=False),
        sa.Column("schema_digest", sa.String(length=64), nullable=False),
        sa.Column("demonstration_ids", Json(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("latency_s", sa.Double(), nullable=False),
        sa.Column("raw_output", StorableText(), nullable=False),
        sa.Column("rejects", Json(), nullable=False),
        sa.Column("reused_from", BigId, nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("task IN ('NER', 'RE', 'ED', 'EAE')", name=op.f("ck_extractions_task")),
        sa.ForeignKeyConstraint(["chunk_id"], ["chunks.id"], name="fk_extractions_chunk_id_chunks"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_extractions_job_id_jobs"),
        sa.ForeignKeyConstraint(["reused_from"], ["extractions.id"],
            name="fk_extractions_reused_from_extractions"),
        sa.ForeignKeyConstraint(["schema_digest"], ["schemas.digest"],
            name="fk_extractions_schema_digest_schemas"),
        sa.PrimaryKeyConstraint("id", name="pk_extractions")
    )
    index("ix_extractions_job_id", "extractions", ["job_id"])
    index("ix_extractions_key", "extractions", ["key"])
    index("uq_extractions_chunk", "extractions", ["chunk_id", "key"],
            where="event_id IS NULL", unique=True)
    index("uq_extractions_event", "extractions", ["event_id", "key"],
            where="event_id IS NOT NULL", unique=True)
    op.create_table("input_errors",
        sa.Column("id", BigId, nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("source", StorableText(), nullable=True),
        sa.Column("line", sa.BigInteger(), nullable=True),
        sa.Column("reason", StorableText(), nullable=False),
        sa.Column("excerpt", StorableText(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_input_errors_job_id_jobs"),
        sa.PrimaryKeyConstraint("id", name="pk_input_errors"),
        sa.UniqueConstraint("job_id", "source", "line", name="uq_input_errors_job_id_source_line")
    )
    op.create_table("origins",
        sa.Column("id", BigId, nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("document_id", BigId, nullable=False),
        sa.Column("external_id", StorableText(), nullable=False),
        sa.Column("source", StorableText(), nullable=True),
        sa.Column("line", sa.BigInteger(), nullable=True),
        sa.Column("metadata", Json(), nullable=True),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"],
            name="fk_origins_document_id_documents"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_origins_job_id_jobs"),
        sa.PrimaryKeyConstraint("id", name="pk_origins"),
        sa.UniqueConstraint("job_id", "external_id", name="uq_origins_job_id_external_id")
    )
    index("ix_origins_document_id", "origins", ["document_id", "job_id", "external_id"])
    op.create_table("schedule_runs",
        sa.Column("id", BigId, nullable=False),
        sa.Column("schedule_id", BigId, nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("error", StorableText(), nullable=True),
        sa.CheckConstraint("state IN ('due', 'running', 'done', 'failed', 'skipped')",
            name=op.f("ck_schedule_runs_state")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_schedule_runs_job_id_jobs"),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"],
            name="fk_schedule_runs_schedule_id_schedules"),
        sa.PrimaryKeyConstraint("id", name="pk_schedule_runs"),
        sa.UniqueConstraint("schedule_id", "due_at", name="uq_schedule_runs_schedule_id_due_at")
    )
    op.create_table("entities",
        sa.Column("id", BigId, nullable=False),
        sa.Column("extraction_id", BigId, nullable=False),
        sa.Column("document_id", BigId, nullable=False),
        sa.Column("type", StorableText(), nullable=False),
        sa.Column("text", StorableText(), nullable=False),
        sa.Column("char_start", sa.Integer(), nullable=True),
        sa.Column("char_end", sa.Integer(), nullable=True),
        sa.Column("grounding", sa.String(length=16), nullable=False),
        located("ck_entities_char_located", "char_start", "char_end", "grounding"),
        sa.CheckConstraint("grounding IN ('exact', 'normalised', 'fuzzy', 'none')",
            name=op.f("ck_entities_grounding")),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"],
            name="fk_entities_document_id_documents"),
        sa.ForeignKeyConstraint(["extraction_id"], ["extractions.id"],
            name="fk_entities_extraction_id_extractions"),
        sa.PrimaryKeyConstraint("id", name="pk_entities"),
        sa.UniqueConstraint("extraction_id", "type", "char_start", "char_end",
            name="uq_entities_extraction_id_type_char_start_char_end")
    )
    index("ix_entities_document_id", "entities", ["document_id"])
    op.create_table("events",
        sa.Column("id", BigId, nullable=False),
        sa.Column("extraction_id", BigId, nullable=False),
        sa.Column("document_id", BigId, nullable=False),
        sa.Column("type", StorableText(), nullable=False),
        sa.Column("trigger_text", StorableText(), nullable=False),
        sa.Column("trigger_start", sa.Integer(), nullable=True),
        sa.Column("trigger_end", sa.Integer(), nullable=True),
        sa.Column("grounding", sa.String(length=16), nullable=False),
        located("ck_events_trigger_located", "trigger_start", "trigger_end", "grounding"),
        sa.CheckConstraint("grounding IN ('exact', 'normalised', 'fuzzy', 'none')",
            name=op.f("ck_events_grounding")),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"],
            name="fk_events_document_id_documents"),
        sa.ForeignKeyConstraint(["extraction_id"], ["extractions.id"],
            name="fk_events_extraction_id_extractions"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("extraction_id", "type", "trigger_start", "trigger_end",
            name="uq_events_extraction_id_type_trigger_start_trigger_end")
    )
    index("ix_events_document_id", "events", ["document_id"])
    op.create_table("relations",
        sa.Column("id", BigId, nullable=False),
        sa.Column("extraction_id", BigId, nullable=False),
        sa.Column("document_id", BigId, nullable=False),
        sa.Column("type", StorableText(), nullable=False),
        sa.Column("head_text", StorableText(), nullable=False),
        sa.Column("head_start", sa.Integer(), nullable=True),
        sa.Column("head_end", sa.Integer(), nullable=True),
        sa.Column("head_grounding", sa.String(length=16), nullable=False),
        sa.Column("tail_text", StorableText(), nullable=False),
        sa.Column("tail_start", sa.Integer(), nullable=True),
        sa.Column("tail_end", sa.Integer(), nullable=True),
        sa.Column("tail_grounding", sa.String(length=16), nullable=False),
        located("ck_relations_head_located", "head_start", "head_end", "head_grounding"),
        located("ck_relations_tail_located", "tail_start", "tail_end", "tail_grounding"),
        sa.CheckConstraint("head_grounding IN ('exact', 'normalised', 'fuzzy', 'none')",
            name=op.f("ck_relations_head_grounding")),
        sa.CheckConstraint("tail_grounding IN ('exact', 'normalised', 'fuzzy', 'none')",
            name=op.f("ck_relations_tail_grounding")),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"],
            name="fk_relations_document_id_documents"),
        sa.ForeignKeyConstraint(["extraction_id"], ["extractions.id"],
            name="fk_relations_extraction_id_extractions"),
        sa.PrimaryKeyConstraint("id", name="pk_relations"),
        sa.UniqueConstraint("extraction_id", "type", "head_start", "head_end", "tail_start",
            "tail_end",
            name="uq_relations_located")
    )
    index("ix_relations_document_id", "relations", ["document_id"])
    op.create_table("event_arguments",
        sa.Column("id", BigId, nullable=False),
        sa.Column("event_id", BigId, nullable=False),
        sa.Column("extraction_id", BigId, nullable=False),
        sa.Column("role", StorableText(), nullable=False),
        sa.Column("text", StorableText(), nullable=False),
        sa.Column("char_start", sa.Integer(), nullable=True),
        sa.Column("char_end", sa.Integer(), nullable=True),
        sa.Column("grounding", sa.String(length=16), nullable=False),
        located("ck_event_arguments_char_located", "char_start", "char_end", "grounding"),
        sa.CheckConstraint("grounding IN ('exact', 'normalised', 'fuzzy', 'none')",
            name=op.f("ck_event_arguments_grounding")),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"],
            name="fk_event_arguments_event_id_events"),
        sa.ForeignKeyConstraint(["extraction_id"], ["extractions.id"],
            name="fk_event_arguments_extraction_id_extractions"),
        sa.PrimaryKeyConstraint("id", name="pk_event_arguments"),
        sa.UniqueConstraint("event_id", "extraction_id", "role", "char_start", "char_end",
            name="uq_event_arguments_located")
    )
    op.create_table("work_items",
        sa.Column("id", BigId, nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("chunk_id", BigId, nullable=False),
        sa.Column("task", sa.String(length=8), nullable=False),
        sa.Column("event_id", BigId, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=True),
        sa.Column("batch", sa.String(length=32), nullable=True),
        sa.Column("dispatched_until", UtcDateTime(), nullable=True),
        sa.Column("lease_owner", StorableText(), nullable=True),
        sa.Column("lease_expires", UtcDateTime(), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("extraction_id", BigId, nullable=True),
        sa.Column("error_class", StorableText(), nullable=True),
        sa.Column("error", StorableText(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("(task = 'EAE') = (event_id IS NOT NULL)",
            name=op.f("ck_work_items_event")),
        sa.CheckConstraint(
            "state IN ('pending', 'leased', 'done', 'retry', 'quarantined', 'cancelled')",
            name=op.f("ck_work_items_state")),
        sa.CheckConstraint("task IN ('NER', 'RE', 'ED', 'EAE')", name=op.f("ck_work_items_task")),
        sa.ForeignKeyConstraint(["chunk_id"], ["chunks.id"], name="fk_work_items_chunk_id_chunks"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_work_items_event_id_events"),
        sa.ForeignKeyConstraint(["extraction_id"], ["extractions.id"],
            name="fk_work_items_extraction_id_extractions"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_work_items_job_id_jobs"),
        sa.PrimaryKeyConstraint("id", name="pk_work_items")
    )
    index("ix_work_items_batch", "work_items", ["batch"], where="batch IS NOT NULL")
    index("ix_work_items_extraction", "work_items", ["extraction_id"],
            where="extraction_id IS NOT NULL")
    index("ix_work_items_leased", "work_items", ["lease_expires"], where="state = 'leased'")
    index("ix_work_items_pending", "work_items", ["job_id", "id"], where="state = 'pending'")
    index("ix_work_items_progress", "work_items", ["job_id", "state", "task"])
    index("ix_work_items_retry", "work_items", ["not_before"], where="state = 'retry'")
    index("uq_work_items_chunk", "work_items", ["job_id", "chunk_id", "task"],
            where="event_id IS NULL", unique=True)
    index("uq_work_items_event", "work_items", ["job_id", "chunk_id", "task", "event_id"],
            where="event_id IS NOT NULL", unique=True)
    op.create_table("quarantine",
        sa.Column("id", BigId, nullable=False),
        sa.Column("work_item_id", BigId, nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("document_id", BigId, nullable=False),
        sa.Column("task", sa.String(length=8), nullable=False),
        sa.Column("error_class", StorableText(), nullable=False),
        sa.Column("error", StorableText(), nullable=False),
        sa.Column("raw_output", StorableText(), nullable=True),
        sa.Column("prompt", Json(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("task IN ('NER', 'RE', 'ED', 'EAE')", name=op.f("ck_quarantine_task")),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"],
            name="fk_quarantine_document_id_documents"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_quarantine_job_id_jobs"),
        sa.ForeignKeyConstraint(["work_item_id"], ["work_items.id"],
            name="fk_quarantine_work_item_id_work_items"),
        sa.PrimaryKeyConstraint("id", name="pk_quarantine"),
        sa.UniqueConstraint("work_item_id", name="uq_quarantine_work_item_id")
    )
    index("ix_quarantine_job_id", "quarantine", ["job_id"])


def downgrade() -> None:
    for table in (
        "quarantine", "work_items", "event_arguments", "relations", "events", "entities",
        "schedule_runs", "origins", "input_errors", "extractions", "jobs", "chunks", "schemas",
        "schedules", "documents", "leadership",
    ):
        op.drop_table(table)
