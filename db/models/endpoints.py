"""Endpoints that are away, and what their models take."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ruie.db.models.base import Base
from ruie.db.types import BigId, Json, MaskedText, StorableText, UtcDateTime, utcnow


class Endpoint(Base):
    """An endpoint to which calls have failed; its states are in db/endpoints.py."""

    __tablename__ = "endpoints"

    url: Mapped[str] = mapped_column(MaskedText, primary_key=True)
    away_since: Mapped[datetime | None] = mapped_column(UtcDateTime)  # null: calls reach it
    reason: Mapped[str | None] = mapped_column(MaskedText)
    failures: Mapped[int] = mapped_column(Integer, default=0)  # since it is away
    retry_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # of the next probe
    trying: Mapped[bool] = mapped_column(Boolean, default=False)  # a probe succeeded; now calls
    failed_items: Mapped[Any] = mapped_column(Json)  # keys; none was answered since
    # How often it was away so far.
    outages: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow())


class RequestProfileRow(Base):
    """What a model takes in requests of one shape, and whether it has answered one."""

    __tablename__ = "request_profiles"
    __table_args__ = (UniqueConstraint("endpoint", "model", "shape"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    endpoint: Mapped[str] = mapped_column(MaskedText)
    model: Mapped[str] = mapped_column(StorableText)
    shape: Mapped[str] = mapped_column(String(16))  # digest, ruie.llm.profile.shape
    learned: Mapped[Any] = mapped_column(Json)
    proven_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    turn: Mapped[str | None] = mapped_column(String(32))  # whose call is made alone
    turn_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refusals: Mapped[int] = mapped_column(Integer, default=0)  # in a row, alike
    refusal_kind: Mapped[str | None] = mapped_column(StorableText)
    refusal: Mapped[str | None] = mapped_column(MaskedText)
    refused_items: Mapped[Any] = mapped_column(Json)  # keys
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow())
