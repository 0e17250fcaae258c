"""Extractions, one for each successful call, and their records.

Offsets are characters in the document; they are null where the span was not located. Nulls are
never equal in a unique constraint, so it applies to located records only.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from ruie.db.models.base import Base, Created, located, one_of, partial
from ruie.db.types import BigId, Json, MaskedText, NameKey, StorableText, Usd
from ruie.records import Grounding, Task


def _shared(name: str, start: str) -> Index:
    """Of the few records that another chunk may have too: used by the views to find equal ones."""
    where = text("shared")
    return Index(name, "document_id", start, sqlite_where=where, postgresql_where=where)


SOURCES = ("model", "person")


class Extraction(Created, Base):
    """A successful call, with the provenance of its records; or a task of a review, which is no
    call and has nothing of one (db/review_records.py)."""

    __tablename__ = "extractions"
    __table_args__ = (
        one_of("task", Task),
        # One result for each key: of a chunk, or of an event where two events have the same key.
        Index(
            "uq_extractions_chunk", "chunk_id", "key", unique=True,
            sqlite_where=text("event_id IS NULL"), postgresql_where=text("event_id IS NULL"),
        ),
        Index(
            "uq_extractions_event", "event_id", "key", unique=True,
            sqlite_where=text("event_id IS NOT NULL"),
            postgresql_where=text("event_id IS NOT NULL"),
        ),
        one_of("source", SOURCES),
        partial("ix_extractions_review", "review_id", where="review_id IS NOT NULL"),
    )  # fmt: skip  # the two halves of one rule, side by side

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)  # the job that paid
    chunk_id: Mapped[int] = mapped_column(ForeignKey("chunks.id"))
    task: Mapped[str] = mapped_column(String(8))
    # No foreign key: events has one to this table, and SQLite cannot add the second half later.
    event_id: Mapped[int | None] = mapped_column(BigInteger)
    key: Mapped[str] = mapped_column(String(64), index=True)  # the idempotency key, hex
    # The key of what was sent, hex. Null where an earlier version of ruie sent it.
    prompt_key: Mapped[str | None] = mapped_column(String(64), index=True)
    finish_reason: Mapped[str | None] = mapped_column(StorableText)  # likewise
    model: Mapped[str] = mapped_column(StorableText)
    endpoint: Mapped[str] = mapped_column(MaskedText)
    prompt_version: Mapped[str] = mapped_column(String(64))
    bundle_digest: Mapped[str] = mapped_column(String(64))
    schema_digest: Mapped[str] = mapped_column(ForeignKey("schemas.digest"))
    demonstration_ids: Mapped[Any] = mapped_column(Json)
    prompt_tokens: Mapped[int] = mapped_column(Integer)
    completion_tokens: Mapped[int] = mapped_column(Integer)
    cost_usd: Mapped[float | None] = mapped_column(Usd)
    latency_s: Mapped[float] = mapped_column(Double)
    raw_output: Mapped[str] = mapped_column(StorableText)
    rejects: Mapped[Any] = mapped_column(Json)  # [{"reason": ..., "raw": ...}]
    reused_from: Mapped[int | None] = mapped_column(ForeignKey("extractions.id"))
    # Parts of the prompt's and of the answer's tokens.
    cached_tokens: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    cache_write_tokens: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    reasoning_tokens: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    # Versions of the demonstrations that lay over the bundle: [3, 7]. Null where there were none.
    demonstration_sets: Mapped[Any] = mapped_column(Json, nullable=True)
    source: Mapped[str] = mapped_column(String(8), default="model", server_default="model")
    review_id: Mapped[int | None] = mapped_column(ForeignKey("reviews.id"))
    # The batch at the provider that its answer came in. No foreign key, as for event_id.
    provider_batch_id: Mapped[int | None] = mapped_column(BigInteger)
    # How its call was made: standard, flex, batch. Null: by an earlier version, or there was none.
    mode: Mapped[str | None] = mapped_column(String(16))


class EntityRow(Base):
    __tablename__ = "entities"
    __table_args__ = (
        UniqueConstraint("extraction_id", "type", "char_start", "char_end"),
        # Covers all that the views read to count the mentions of a name, without the rows.
        Index(
            "ix_entities_name_key", "name_key", "type", "document_id", "extraction_id",
            "shared", "char_start", "char_end", "id",
        ),
        located("char_start", "char_end"),
        _shared("ix_entities_shared", "char_start"),
        one_of("grounding", Grounding),
    )  # fmt: skip  # one index a line

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    extraction_id: Mapped[int] = mapped_column(ForeignKey("extractions.id"))
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"), index=True)
    type: Mapped[str] = mapped_column(StorableText)
    text: Mapped[str] = mapped_column(StorableText)
    name_key: Mapped[str] = mapped_column(NameKey)
    char_start: Mapped[int | None] = mapped_column(Integer)
    char_end: Mapped[int | None] = mapped_column(Integer)
    grounding: Mapped[str] = mapped_column(String(16))
    shared: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    confidence: Mapped[float | None] = mapped_column(Double)


class RelationRow(Base):
    __tablename__ = "relations"
    __table_args__ = (
        UniqueConstraint(
            "extraction_id", "type",
            "head_start", "head_end", "tail_start", "tail_end",
            name="uq_relations_located",
        ),
        Index("ix_relations_type", "type", "id"),
        Index("ix_relations_head_key", "head_key", "type"),
        Index("ix_relations_tail_key", "tail_key", "type"),
        located("head_start", "head_end", "head_grounding"),
        located("tail_start", "tail_end", "tail_grounding"),
        _shared("ix_relations_shared", "head_start"),
        one_of("head_grounding", Grounding),
        one_of("tail_grounding", Grounding),
    )  # fmt: skip  # one index a line

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    extraction_id: Mapped[int] = mapped_column(ForeignKey("extractions.id"))
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"), index=True)
    type: Mapped[str] = mapped_column(StorableText)
    head_text: Mapped[str] = mapped_column(StorableText)
    head_key: Mapped[str] = mapped_column(NameKey)
    head_start: Mapped[int | None] = mapped_column(Integer)
    head_end: Mapped[int | None] = mapped_column(Integer)
    head_grounding: Mapped[str] = mapped_column(String(16))
    tail_text: Mapped[str] = mapped_column(StorableText)
    tail_key: Mapped[str] = mapped_column(NameKey)
    tail_start: Mapped[int | None] = mapped_column(Integer)
    tail_end: Mapped[int | None] = mapped_column(Integer)
    tail_grounding: Mapped[str] = mapped_column(String(16))
    shared: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    confidence: Mapped[float | None] = mapped_column(Double)


class EventRow(Base):
    """An event as detected, with its trigger; its arguments come from further calls."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("extraction_id", "type", "trigger_start", "trigger_end"),
        Index("ix_events_type", "type", "id"),
        located("trigger_start", "trigger_end"),
        _shared("ix_events_shared", "trigger_start"),
        one_of("grounding", Grounding),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    extraction_id: Mapped[int] = mapped_column(ForeignKey("extractions.id"))
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"), index=True)
    type: Mapped[str] = mapped_column(StorableText)
    trigger_text: Mapped[str] = mapped_column(StorableText)
    trigger_start: Mapped[int | None] = mapped_column(Integer)
    trigger_end: Mapped[int | None] = mapped_column(Integer)
    grounding: Mapped[str] = mapped_column(String(16))
    shared: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    confidence: Mapped[float | None] = mapped_column(Double)


class ArgumentRow(Base):
    __tablename__ = "event_arguments"
    __table_args__ = (
        UniqueConstraint(
            "event_id", "extraction_id", "role", "char_start", "char_end",
            name="uq_event_arguments_located",  # the name by rule would be too long for PostgreSQL
        ),
        Index("ix_event_arguments_name_key", "name_key", "role", "event_id"),
        located("char_start", "char_end"),
        one_of("grounding", Grounding),
    )  # fmt: skip  # one index a line

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"))
    extraction_id: Mapped[int] = mapped_column(ForeignKey("extractions.id"))
    role: Mapped[str] = mapped_column(StorableText)
    text: Mapped[str] = mapped_column(StorableText)
    name_key: Mapped[str] = mapped_column(NameKey)
    char_start: Mapped[int | None] = mapped_column(Integer)
    char_end: Mapped[int | None] = mapped_column(Integer)
    grounding: Mapped[str] = mapped_column(String(16))
    confidence: Mapped[float | None] = mapped_column(Double)
