"""Full-text search: the parts of documents that are indexed, and how far the index is.

The index itself is `documents_fts`, which has no model here: an FTS5 table on SQLite, a
tsvector for each part on PostgreSQL (migration 0009).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ruie.db.models.base import Base
from ruie.db.types import BigId, Json

FTS = "documents_fts"
"""The index. On SQLite FTS5 has tables of its own, whose names begin with this."""


class DocumentPart(Base):
    """A range of a document that is indexed: nearly always all of it. `id` is the row's in the
    index, numbered from 1, with gaps where one was forgotten."""

    __tablename__ = "document_parts"
    __table_args__ = (
        UniqueConstraint("document_id", "char_start"),
        CheckConstraint("char_start >= 0 AND char_end >= char_start", name="located"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"))
    char_start: Mapped[int] = mapped_column(Integer)
    char_end: Mapped[int] = mapped_column(Integer)


class SearchState(Base):
    """How far the index is (db/search_index.py); one row.

    Every document up to `indexed_to` is in it. No document up to `settled_to` can still appear;
    none up to `pending_to` can once the transactions `writers` have ended.
    """

    __tablename__ = "search_state"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    indexed_to: Mapped[int] = mapped_column(BigInteger, default=0)
    settled_to: Mapped[int] = mapped_column(BigInteger, default=0)
    pending_to: Mapped[int | None] = mapped_column(BigInteger)
    writers: Mapped[Any | None] = mapped_column(Json)
