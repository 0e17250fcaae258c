"""Spending of each job and each day, including what calls in flight may cost.

Amounts are whole billionths of a US dollar: sums of them are exact on both databases.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from ruie.db.models.base import Base
from ruie.db.types import BigId


class SpendAccount(Base):
    """A job's account (its id) or a day's (`2026-01-31`, UTC)."""

    __tablename__ = "spend_accounts"

    account: Mapped[str] = mapped_column(String(32), primary_key=True)
    # Spent, and reserved for calls in flight; refunds that are not yet applied are still in it.
    committed_nusd: Mapped[int] = mapped_column(BigInteger, default=0)


class SpendRefund(Base):
    """The unused part of a reservation. The next reservation applies it, so that a result is saved
    without waiting for a row that every worker writes."""

    __tablename__ = "spend_refunds"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account: Mapped[str] = mapped_column(String(32), index=True)
    nusd: Mapped[int] = mapped_column(BigInteger)
