"""Work items, calls that failed, quarantine, schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from ruie.db.models.base import Base, Created, one_of, partial
from ruie.db.types import BigId, Json, MaskedText, StorableText, Usd, UtcDateTime, utcnow
from ruie.records import Task

ITEM_STATES = ("pending", "leased", "submitted", "done", "retry", "quarantined", "cancelled")
RUN_STATES = ("due", "running", "done", "failed", "skipped")
MISSED = ("catch-up", "skip")
OVERLAP = ("refuse", "queue")


class WorkItem(Base):
    """One (job, chunk, task), and for EAE the event; its states are in db/item_states.py."""

    __tablename__ = "work_items"
    __table_args__ = (
        one_of("state", ITEM_STATES),
        one_of("task", Task),
        CheckConstraint("(task = 'EAE') = (event_id IS NOT NULL)", name="event"),
        partial(
            "uq_work_items_chunk", "job_id", "chunk_id", "task",
            where="event_id IS NULL", unique=True,
        ),
        partial(
            "uq_work_items_event", "job_id", "chunk_id", "task", "event_id",
            where="event_id IS NOT NULL", unique=True,
        ),
        partial("ix_work_items_pending", "job_id", "id", where="state = 'pending'"),
        partial("ix_work_items_retry", "not_before", where="state = 'retry'"),
        partial("ix_work_items_leased", "lease_expires", where="state = 'leased'"),
        partial("ix_work_items_submitted", "job_id", where="state = 'submitted'"),
        partial("ix_work_items_batch", "batch", where="batch IS NOT NULL"),
        # With the job: for each record the views look up which jobs have its extraction.
        partial(
            "ix_work_items_extraction", "extraction_id", "job_id",
            where="extraction_id IS NOT NULL",
        ),
        partial("ix_work_items_review", "review_id", where="review_id IS NOT NULL"),
        partial(
            "ix_work_items_model_extraction", "model_extraction_id", "job_id",
            where="model_extraction_id IS NOT NULL",
        ),
        partial("ix_work_items_event", "event_id", where="event_id IS NOT NULL"),
        Index("ix_work_items_progress", "job_id", "state", "task"),
        # How fast a job is follows from the items that ended last. Not by IN, which PostgreSQL
        # stores in other words.
        partial(
            "ix_work_items_ended", "job_id", "updated_at",
            where="state = 'done' OR state = 'quarantined'",
        ),
    )  # fmt: skip  # one index a line reads as the table it is

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    chunk_id: Mapped[int] = mapped_column(ForeignKey("chunks.id"))
    task: Mapped[str] = mapped_column(String(8))
    event_id: Mapped[int | None] = mapped_column(ForeignKey("events.id"))
    state: Mapped[str] = mapped_column(String(16), default="pending")
    attempts: Mapped[int] = mapped_column(Integer, default=0)  # counted before the work
    losses: Mapped[int] = mapped_column(
        Integer, default=0
    )  # leases that ended because the worker was lost
    throttled: Mapped[int] = mapped_column(
        Integer, default=0, server_default="0"
    )  # times it was refused for a rate limit while others were answered
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)  # of a retry
    batch: Mapped[str | None] = mapped_column(String(32))  # the message that names this item
    dispatched_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lease_owner: Mapped[str | None] = mapped_column(StorableText)
    lease_expires: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fence: Mapped[int] = mapped_column(BigInteger, default=0)  # rises with every lease
    # What the views show. A review in force takes the place of the model's extraction, which the
    # item then keeps in the third of these (db/review_records.py).
    extraction_id: Mapped[int | None] = mapped_column(ForeignKey("extractions.id"))
    review_id: Mapped[int | None] = mapped_column(ForeignKey("reviews.id"))
    model_extraction_id: Mapped[int | None] = mapped_column(ForeignKey("extractions.id"))
    # In place of the job's: another model, a longer answer after one that was truncated, fewer
    # demonstrations after a prompt that was too long.
    model: Mapped[str | None] = mapped_column(StorableText)
    max_tokens: Mapped[int | None] = mapped_column(Integer)
    demonstrations: Mapped[int | None] = mapped_column(Integer)
    mode: Mapped[str | None] = mapped_column(String(16))  # `standard`, in a job of another mode
    # Reserved for the call in flight, in billionths of a US dollar, and on which day's account.
    reserved_nusd: Mapped[int | None] = mapped_column(BigInteger)
    reserved_on: Mapped[str | None] = mapped_column(String(10))
    error_class: Mapped[str | None] = mapped_column(StorableText)
    error: Mapped[str | None] = mapped_column(MaskedText)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow())


class Attempt(Created, Base):
    """A call that failed, or whose answer could not be used, and what it cost."""

    __tablename__ = "attempts"
    __table_args__ = (
        # Those that are not counted (db/fold_sources.py).
        partial("ix_attempts_lost", "job_id", where="error_class = 'worker_lost'"),
        # SQLite would give the id of a newest row that was deleted to the next one, which would
        # then pass for counted.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    work_item_id: Mapped[int] = mapped_column(ForeignKey("work_items.id"), index=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    attempt: Mapped[int] = mapped_column(Integer)  # of the item, from 1
    error_class: Mapped[str] = mapped_column(StorableText)
    error: Mapped[str] = mapped_column(MaskedText)
    model: Mapped[str] = mapped_column(StorableText)
    # Base URL. Null: unknown, since the worker was lost with the call, or the row is older.
    endpoint: Mapped[str | None] = mapped_column(MaskedText)
    raw_output: Mapped[str | None] = mapped_column(MaskedText(answer=True))
    prompt_tokens: Mapped[int] = mapped_column(Integer, default=0)
    completion_tokens: Mapped[int] = mapped_column(Integer, default=0)
    # What the provider charged; where that is unknown (an aborted call), the most it can have been.
    cost_usd: Mapped[float | None] = mapped_column(Usd)
    # Parts of the prompt's and of the answer's tokens.
    cached_tokens: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    cache_write_tokens: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    reasoning_tokens: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    # The batch at the provider that it was in. No foreign key, as in extractions.
    provider_batch_id: Mapped[int | None] = mapped_column(BigInteger)


class Quarantined(Created, Base):
    """A quarantined item, with what is known about it."""

    __tablename__ = "quarantine"
    __table_args__ = (one_of("task", Task),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    work_item_id: Mapped[int] = mapped_column(ForeignKey("work_items.id"), unique=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"), index=True)
    task: Mapped[str] = mapped_column(String(8))
    error_class: Mapped[str] = mapped_column(StorableText)
    error: Mapped[str] = mapped_column(MaskedText)
    raw_output: Mapped[str | None] = mapped_column(MaskedText(answer=True))
    prompt: Mapped[Any | None] = mapped_column(Json)  # the messages
    attempts: Mapped[int] = mapped_column(Integer)


class Schedule(Created, Base):
    """An enqueueing that is run by the clock."""

    __tablename__ = "schedules"
    __table_args__ = (
        one_of("missed", MISSED),
        one_of("overlap", OVERLAP),
        partial("ix_schedules_next_due_at", "next_due_at", where="next_due_at IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(StorableText, unique=True)
    cron: Mapped[str] = mapped_column(StorableText)
    timezone: Mapped[str] = mapped_column(StorableText)  # IANA name
    spec: Mapped[Any] = mapped_column(Json)  # sources, the schema's body, the job's options
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    missed: Mapped[str] = mapped_column(String(16), server_default="catch-up")
    overlap: Mapped[str] = mapped_column(String(16), server_default="refuse")
    retries: Mapped[int] = mapped_column(Integer, server_default="0")
    next_due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # null while disabled


class ScheduleRun(Base):
    """One due time of a schedule; the unique constraint makes it run once."""

    __tablename__ = "schedule_runs"
    __table_args__ = (
        UniqueConstraint("schedule_id", "due_at"),
        one_of("state", RUN_STATES),
        Index("ix_schedule_runs_state", "state"),
        partial("ix_schedule_runs_job", "job_id", where="job_id IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    schedule_id: Mapped[int] = mapped_column(ForeignKey("schedules.id"))
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"))
    state: Mapped[str] = mapped_column(String(16), default="due")
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)  # of a retry
    lease_owner: Mapped[str | None] = mapped_column(StorableText)
    lease_expires: Mapped[datetime | None] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    counts: Mapped[Any | None] = mapped_column(Json)  # of documents, by what was done with them
    error: Mapped[str | None] = mapped_column(MaskedText)  # why it failed, waits or was skipped
