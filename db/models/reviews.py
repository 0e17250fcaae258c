"""Reviews: people's corrections, which take the place of the model's records."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from ruie.db.models.base import Base, Created
from ruie.db.types import BigId, Json, StorableText, UtcDateTime


class Review(Created, Base):
    """One person's annotation of one document under one schema; the newest is in force."""

    __tablename__ = "reviews"
    __table_args__ = (
        # One in force for each document and schema; those it replaced are kept.
        Index(
            "uq_reviews_current", "document_id", "schema_digest", unique=True,
            sqlite_where=text("replaced_at IS NULL"),
            postgresql_where=text("replaced_at IS NULL"),
        ),
        Index("ix_reviews_job_id", "job_id"),
    )  # fmt: skip  # one index a line

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"))
    schema_digest: Mapped[str] = mapped_column(ForeignKey("schemas.digest"))
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))  # whose export was corrected
    digest: Mapped[str] = mapped_column(String(64))  # SHA-256 of the body, hex
    tasks: Mapped[Any] = mapped_column(Json)  # ["NER", "RE", "ED"], those that were reviewed
    body: Mapped[Any] = mapped_column(Json)  # a row in the layout of the gold data
    reviewer: Mapped[str | None] = mapped_column(StorableText)
    source: Mapped[str | None] = mapped_column(StorableText)  # the file
    line: Mapped[int | None]
    replaced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # null: in force


class ReviewQueueRow(Base):
    """A document that was chosen to be reviewed, and its place among those of its job."""

    __tablename__ = "review_queue"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # from 1
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"))
