"""What the leading coordinator counts (db/fold.py): totals for metrics, which only rise, whatever
is deleted of what they count, and the calls of each day."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from ruie.db.models.base import Base
from ruie.db.types import BigId, StorableText, Usd


class MetricTotal(Base):
    """A total (db/totals.py), of the fleet or of one job, or up to which row it has counted."""

    __tablename__ = "metric_totals"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    job_id: Mapped[str] = mapped_column(String(32), primary_key=True)  # "": of all jobs
    model: Mapped[str] = mapped_column(StorableText, primary_key=True)  # "": of none, or of all
    # What the total is divided by: a task, an error class, a reason, a bucket; "": nothing.
    kind: Mapped[str] = mapped_column(StorableText, primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)  # in the unit that the name says


class MetricDelta(Base):
    """What is to be added to a total, written by the transaction that caused it. The coordinator
    adds it, so that no transaction waits for a row that all of them write."""

    __tablename__ = "metric_deltas"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(StorableText)
    value: Mapped[int] = mapped_column(BigInteger)


class CountedCalls(Base):
    """The calls of a job, of one day and model, up to the row that is counted; the views add those
    above it. Not those of workers that were lost, which may yet be withdrawn."""

    __tablename__ = "counted_calls"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)  # in UTC: 2026-01-31
    model: Mapped[str] = mapped_column(StorableText, primary_key=True)
    calls: Mapped[int] = mapped_column(BigInteger, server_default="0")  # that were answered
    failed_calls: Mapped[int] = mapped_column(BigInteger, server_default="0")
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)
    completion_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_write_tokens: Mapped[int] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger)
    cost_usd: Mapped[float | None] = mapped_column(Usd)  # null: of none is it known
