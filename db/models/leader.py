"""Which coordinator leads."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from ruie.db.models.base import Base
from ruie.db.types import StorableText, UtcDateTime, utcnow


class Leadership(Base):
    """One row for each thing that only one process may do at a time."""

    __tablename__ = "leadership"

    role: Mapped[str] = mapped_column(String(32), primary_key=True)
    holder: Mapped[str | None] = mapped_column(StorableText)
    token: Mapped[int] = mapped_column(BigInteger, default=0)  # rises with every change of holder
    expires: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow())
    # Worker processes that could be fed, as the leader saw it last: what to scale workers by.
    useful_processes: Mapped[int | None] = mapped_column(Integer)
    useful_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
