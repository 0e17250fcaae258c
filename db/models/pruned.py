"""What remains of rows that were pruned: how many there were, and what they cost."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from ruie.db.models.base import Base, one_of
from ruie.db.models.work import ITEM_STATES
from ruie.db.types import StorableText, Usd
from ruie.records import Task


class PrunedAttempts(Base):
    """The attempts of a job that were pruned, of one day, model and class of error."""

    __tablename__ = "pruned_attempts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)  # in UTC: 2026-01-31
    model: Mapped[str] = mapped_column(StorableText, primary_key=True)
    error_class: Mapped[str] = mapped_column(StorableText, primary_key=True)
    calls: Mapped[int] = mapped_column(BigInteger)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)
    completion_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_write_tokens: Mapped[int] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger)
    cost_usd: Mapped[float | None] = mapped_column(Usd)  # null: of none is it known


class PrunedItems(Base):
    """The work items of a job that were pruned, of one task and state."""

    __tablename__ = "pruned_items"
    __table_args__ = (one_of("state", ITEM_STATES), one_of("task", Task))

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    task: Mapped[str] = mapped_column(String(8), primary_key=True)
    state: Mapped[str] = mapped_column(String(16), primary_key=True)
    items: Mapped[int] = mapped_column(BigInteger)
