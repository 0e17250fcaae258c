"""Running totals for metrics: they only rise, whatever is deleted of what they count."""

from __future__ import annotations

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from ruie.db.models.base import Base
from ruie.db.types import BigId, StorableText


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
