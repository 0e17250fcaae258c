"""Batches at a provider, and the requests in them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, String, false
from sqlalchemy.orm import Mapped, mapped_column

from ruie.db.models.base import Base, Created, one_of, partial
from ruie.db.types import BigId, MaskedText, StorableText, UtcDateTime

PROVIDER_BATCH_STATES = (
    "preparing", "submitting", "running", "ended", "harvested", "done", "failed",
)  # fmt: skip  # in their order
REQUEST_STATES = ("waiting", "sent", "answered", "late")


class ProviderBatch(Created, Base):
    """Requests that are sent to a provider together, at half the price; its states are in
    db/provider_batches.py."""

    __tablename__ = "provider_batches"
    __table_args__ = (
        one_of("state", PROVIDER_BATCH_STATES),
        partial("ix_provider_batches_open", "id", where="state <> 'done' AND state <> 'failed'"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    # In its metadata at the provider, and in each request's id: by it a batch is found again whose
    # creation was not confirmed.
    token: Mapped[str] = mapped_column(String(32), unique=True)
    endpoint: Mapped[str] = mapped_column(MaskedText)  # base URL
    model: Mapped[str] = mapped_column(StorableText)
    scope: Mapped[str] = mapped_column(StorableText)  # a job's id, or a corpus
    state: Mapped[str] = mapped_column(String(16), default="preparing")
    creates: Mapped[int] = mapped_column(Integer, default=0)  # times that it was asked for
    # Its file at the provider, its id there, and what the provider calls its state.
    input_file: Mapped[str | None] = mapped_column(StorableText)
    provider_id: Mapped[str | None] = mapped_column(StorableText)
    provider_state: Mapped[str | None] = mapped_column(StorableText)
    # The batch that it doubles: the provider made two of one.
    doubles: Mapped[int | None] = mapped_column(ForeignKey("provider_batches.id"))
    requests: Mapped[int] = mapped_column(Integer, default=0)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger, default=0)  # estimated
    # Answers, and errors instead of one: as the provider counts them while it is running, then the
    # lines that came back.
    answered: Mapped[int] = mapped_column(Integer, default=0)
    failed: Mapped[int] = mapped_column(Integer, default=0)
    cancelling: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    error: Mapped[str | None] = mapped_column(MaskedText)
    submitted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # of the last create
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # when it is looked at again


class ProviderRequest(Created, Base):
    """A request of an item, from the moment it is built until its answer is recorded."""

    __tablename__ = "provider_requests"
    __table_args__ = (
        one_of("state", REQUEST_STATES),
        Index("ix_provider_requests_batch", "batch_id", "id"),
        partial("ix_provider_requests_waiting", "job_id", "id", where="state = 'waiting'"),
        partial(
            "ix_provider_requests_answered", "job_id", "work_item_id", where="state = 'answered'"
        ),
        Index("ix_provider_requests_key", "key"),
    )  # fmt: skip  # one index a line

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("provider_batches.id"))
    work_item_id: Mapped[int] = mapped_column(ForeignKey("work_items.id"), index=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    fence: Mapped[int] = mapped_column(BigInteger)  # of the lease under which it was built
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    key: Mapped[str] = mapped_column(String(64))  # of its question, hex
    endpoint: Mapped[str] = mapped_column(MaskedText)
    model: Mapped[str] = mapped_column(StorableText)
    # JSON, compressed: what is sent, and what reading the answer takes.
    body: Mapped[bytes] = mapped_column(LargeBinary)
    question: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int] = mapped_column(Integer)  # of the body, bytes
    prompt_tokens: Mapped[int] = mapped_column(Integer)  # estimated
    reserved_nusd: Mapped[int | None] = mapped_column(BigInteger)  # null: it costs nothing
    reserved_on: Mapped[str | None] = mapped_column(String(10))
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)  # the provider's line
    cost_nusd: Mapped[int | None] = mapped_column(BigInteger)  # of the answer
