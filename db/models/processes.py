"""Which processes are alive."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from ruie.db.models.base import Base, one_of
from ruie.db.types import StorableText, UtcDateTime, utcnow

PROCESS_KINDS = ("coordinator", "worker")


class RunningProcess(Base):
    """A coordinator, or one process of a worker: who it is, and what it does."""

    __tablename__ = "processes"
    __table_args__ = (one_of("kind", PROCESS_KINDS),)

    name: Mapped[str] = mapped_column(StorableText, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    host: Mapped[str] = mapped_column(StorableText)
    pid: Mapped[int] = mapped_column(Integer)
    version: Mapped[str] = mapped_column(StorableText)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow())
    # What a worker does: its newest batch with its class of jobs, and the calls it makes.
    batch: Mapped[str | None] = mapped_column(String(32))
    priority: Mapped[int | None] = mapped_column(Integer)
    calls: Mapped[int] = mapped_column(Integer, default=0)
