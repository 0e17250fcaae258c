"""Demonstrations that people added, which lie over the bundles of all hosts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from ruie.db.models.base import Base, Created
from ruie.db.types import BigId, Json, StorableText


class DemonstrationSet(Created, Base):
    """Annotated rows: those of a job's schema file, or those learned for a schema's name, of which
    the newest set is in force. Its id is its version."""

    __tablename__ = "demonstration_sets"
    __table_args__ = (Index("ix_demonstration_sets_learned_for", "learned_for", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), index=True)  # SHA-256 of its rows', hex
    learned_for: Mapped[str | None] = mapped_column(StorableText)  # null: a job names the set
    source: Mapped[str | None] = mapped_column(StorableText)  # the file, or the job of the reviews
    size: Mapped[int] = mapped_column(Integer)  # rows


class DemonstrationRow(Base):
    """One row, whichever sets it is in, with its vector once a worker has encoded it."""

    __tablename__ = "demonstrations"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of the body, hex
    body: Mapped[Any] = mapped_column(Json)  # ruie.records.Demonstration
    # The encoder that made the vector, hex, and the vector: float32, the least significant byte
    # first, in base64.
    encoder: Mapped[str | None] = mapped_column(String(64))
    vector: Mapped[str | None] = mapped_column(StorableText)


class DemonstrationSetRow(Base):
    """A row of a set, in its place."""

    __tablename__ = "demonstration_set_rows"

    set_id: Mapped[int] = mapped_column(ForeignKey("demonstration_sets.id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64), ForeignKey("demonstrations.digest"), index=True)
