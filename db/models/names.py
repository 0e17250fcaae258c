"""Canonical names, by rule and by a person's mapping."""

from __future__ import annotations

from sqlalchemy import Boolean
from sqlalchemy.orm import Mapped, mapped_column

from ruie.db.models.base import Base
from ruie.db.types import NameKey, StorableText


class Canonical(Base):
    """A name: all spellings with one key (ruie/names.py). A person's mapping can give several keys
    the same name."""

    __tablename__ = "canonical"

    key: Mapped[str] = mapped_column(NameKey, primary_key=True)
    seen: Mapped[str] = mapped_column(StorableText)  # the spelling that came first
    name: Mapped[str] = mapped_column(NameKey, index=True)
    mapped: Mapped[bool] = mapped_column(Boolean, default=False)  # by a person
