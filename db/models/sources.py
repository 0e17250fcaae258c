"""Jobs with their schemas, documents with their origins, chunks."""

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
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from ruie.db.models.base import Base, Created, one_of, partial
from ruie.db.types import BigId, Json, MaskedText, StorableText, UtcDateTime, utcnow

JOB_STATES = ("running", "paused", "done", "cancelled", "failed")
PAUSED_BY = ("person", "error", "job_cap", "day_cap")
ORIGIN_STATES = ("current", "superseded", "removed")
SOURCE_STATES = ("reading", "done", "unchanged", "broken")


class Schema(Created, Base):
    """A schema as it was when a job used it; `digest` is the hash of its content."""

    __tablename__ = "schemas"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(StorableText)
    body: Mapped[Any] = mapped_column(Json)


class Job(Created, Base):
    """A set of documents with a schema, a model and settings."""

    __tablename__ = "jobs"
    __table_args__ = (
        one_of("state", JOB_STATES),
        one_of("paused_by", PAUSED_BY),
        partial("ix_jobs_enqueue_key", "enqueue_key", where="enqueued_at IS NULL"),
        partial("ix_jobs_corpus", "corpus", where="corpus IS NOT NULL"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(StorableText)
    state: Mapped[str] = mapped_column(String(16), index=True)
    reason: Mapped[str | None] = mapped_column(MaskedText)  # why it is paused or failed
    schema_digest: Mapped[str] = mapped_column(ForeignKey("schemas.digest"))
    model: Mapped[str] = mapped_column(StorableText)
    endpoint: Mapped[str] = mapped_column(
        MaskedText
    )  # the enqueuer's base URL; a worker uses its own
    # Of the first worker that took a batch, "" until then. Each extraction has its own call's.
    bundle_digest: Mapped[str] = mapped_column(String(64), default="")
    prompt_version: Mapped[str] = mapped_column(String(64))
    settings: Mapped[Any] = mapped_column(Json)  # decoding: k, max_tokens, output form, ...
    priority: Mapped[int] = mapped_column(Integer, default=0)  # 1 live, 0 normal, -1 backfill
    cap_nusd: Mapped[int | None] = mapped_column(BigInteger)  # billionths of a US dollar
    paused_by: Mapped[str | None] = mapped_column(String(16))
    forced: Mapped[bool] = mapped_column(
        Boolean, default=False
    )  # call even where an answer is stored
    corpus: Mapped[str | None] = mapped_column(StorableText)
    # Hashes: of what shapes its answers, of the sources as they were named, and of both. The last
    # one finds the job of an interrupted enqueueing, which is continued in it.
    question: Mapped[str | None] = mapped_column(String(64))
    scope: Mapped[str | None] = mapped_column(String(64))
    enqueue_key: Mapped[str | None] = mapped_column(String(64))
    # Null while documents are still being added: a job without open items is done only after it.
    enqueued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Of its schema file (db/demonstrations.py).
    demonstration_set: Mapped[int | None] = mapped_column(BigInteger)
    # Documents of its corpus that have not changed are in it all the same.
    refreshed: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())


class Document(Created, Base):
    """A text, identified by the hash of its content wherever it came from."""

    __tablename__ = "documents"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)  # SHA-256 of the text, hex
    text: Mapped[str] = mapped_column(StorableText)
    chars: Mapped[int] = mapped_column(Integer)
    forgotten_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # db/forget.py


class Origin(Base):
    """Where a job read a document; a document may have several. In a corpus one origin of an
    external id is current: the one of the last job that added it."""

    __tablename__ = "origins"
    __table_args__ = (
        one_of("state", ORIGIN_STATES),
        UniqueConstraint("job_id", "external_id"),
        partial(
            "uq_origins_current", "corpus", "external_id",
            where="corpus IS NOT NULL AND state = 'current'", unique=True,
        ),
        # The views look up a document's name in a job for each record.
        Index("ix_origins_document_id", "document_id", "job_id", "external_id"),
    )  # fmt: skip  # one index a line

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"))
    external_id: Mapped[str] = mapped_column(StorableText)
    source: Mapped[str | None] = mapped_column(StorableText)  # file
    line: Mapped[int | None] = mapped_column(BigInteger)  # from 1
    meta: Mapped[Any | None] = mapped_column("metadata", Json)
    corpus: Mapped[str | None] = mapped_column(StorableText)
    state: Mapped[str] = mapped_column(String(16), server_default="current")
    changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # no longer current since
    seen_in: Mapped[str | None] = mapped_column(String(32))  # the last job that saw it unchanged


class JobSource(Base):
    """How far a job has read a source; written together with the documents read from it."""

    __tablename__ = "job_sources"
    __table_args__ = (one_of("state", SOURCE_STATES),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    source: Mapped[str] = mapped_column(StorableText, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(
        StorableText
    )  # changes with the content; "" if unknown
    position: Mapped[int] = mapped_column(BigInteger)  # records read
    state: Mapped[str] = mapped_column(String(16))
    read_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow())


class Chunk(Base):
    """The part of a document that goes into one prompt: `text[char_start:char_end]`."""

    __tablename__ = "chunks"
    __table_args__ = (
        UniqueConstraint("document_id", "char_start", "char_end"),
        CheckConstraint("char_start >= 0 AND char_end >= char_start", name="located"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"))
    ordinal: Mapped[int] = mapped_column(Integer)
    char_start: Mapped[int] = mapped_column(Integer)
    char_end: Mapped[int] = mapped_column(Integer)
    digest: Mapped[str] = mapped_column(String(64))  # SHA-256 of the chunk's text, hex


class InputError(Created, Base):
    """A piece of input that was not enqueued, and why."""

    __tablename__ = "input_errors"
    # Enqueueing that is continued after an interruption reports the same line once.
    __table_args__ = (UniqueConstraint("job_id", "source", "line"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    source: Mapped[str | None] = mapped_column(StorableText)
    line: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(MaskedText)
    excerpt: Mapped[str | None] = mapped_column(StorableText)
