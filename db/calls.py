"""Successful calls: one with all that its prompt was made of, and those of a document."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, true

from ruie.db.jobs import Job
from ruie.db.leased_item import chunk_span
from ruie.db.models import attempts, chunks, documents, events, extractions, work_items
from ruie.db.sql import pieces
from ruie.errors import DatabaseError
from ruie.records import Task, Trigger


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A successful call, or a task of a review (source `person`), which is none. text: its chunk's,
    in which the trigger's offsets are."""

    id: int
    job_id: str
    document_id: int
    task: Task
    model: str
    endpoint: str
    prompt_version: str
    bundle_digest: str
    schema_digest: str
    prompt_key: str | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_usd: float | None
    latency_s: float
    finish_reason: str | None
    raw_output: str
    rejects: list[dict[str, Any]]
    demonstration_ids: list[str]
    demonstration_sets: list[int]
    reused_from: int | None
    source: str
    review_id: int | None
    mode: str | None
    provider_batch_id: int | None
    created_at: datetime
    text: str
    at: int
    """Where the chunk begins in its document."""
    trigger: Trigger | None = field(default=None)


_PLAIN = ("id", "job_id", "model", "endpoint", "prompt_version", "bundle_digest", "schema_digest",
          "prompt_key", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens",
          "cost_usd", "latency_s", "finish_reason", "raw_output", "reused_from", "source",
          "review_id", "mode", "provider_batch_id", "created_at")  # fmt: skip  # columns
_CALL = (
    select(
        *(extractions.c[name] for name in _PLAIN),
        extractions.c.task,
        extractions.c.rejects,
        extractions.c.demonstration_ids,
        extractions.c.demonstration_sets,
        extractions.c.event_id,
        chunks.c.document_id,
        chunks.c.char_start,
        func.substr(
            documents.c.text, chunks.c.char_start + 1, chunks.c.char_end - chunks.c.char_start
        ).label("text"),
        events.c.type,
        events.c.trigger_text,
        events.c.trigger_start,
        events.c.trigger_end,
        events.c.grounding,
    )
    .select_from(extractions)
    .join(chunks, chunks.c.id == extractions.c.chunk_id)
    .join(documents, documents.c.id == chunks.c.document_id)
    .outerjoin(events, events.c.id == extractions.c.event_id)
)


def get_call(conn: Connection, extraction_id: int) -> StoredCall:
    """A call by its id in `extractions`. Raises DatabaseError where there is none."""
    row = conn.execute(_CALL.where(extractions.c.id == extraction_id)).one_or_none()
    if row is None:
        raise DatabaseError(
            f"There is no call {extraction_id}.", "The page of its document lists those there are."
        )
    return _call(row)


def calls_of_document(conn: Connection, job_id: str, document_id: int) -> list[StoredCall]:
    """The calls whose answers the job has for a document, in the order of its text and the tasks;
    where a review is in force, its tasks and the model's calls."""
    ids: set[int] = set()
    # In two halves, each of which has an index by job and chunk.
    for half in (work_items.c.event_id.is_(None), work_items.c.event_id.is_not(None)):
        items = (
            select(work_items.c.extraction_id, work_items.c.model_extraction_id)
            .join(chunks, chunks.c.id == work_items.c.chunk_id)
            .where(work_items.c.job_id == job_id, chunks.c.document_id == document_id, half)
        )
        ids.update(id_ for row in conn.execute(items) for id_ in row if id_ is not None)
    found = [
        _call(row)
        for part in pieces(sorted(ids))
        for row in conn.execute(_CALL.where(extractions.c.id.in_(part)))
    ]
    return sorted(found, key=lambda call: (call.at, call.id))


def endpoint_of(conn: Connection, job: Job) -> str:
    """The endpoint that a job names, or that its calls went to where it was enqueued without one,
    as workers have their own; "" before the first call."""
    if job.endpoint:
        return job.endpoint
    for table, made in ((extractions, extractions.c.reused_from.is_(None)), (attempts, true())):
        called = select(table.c.endpoint).where(table.c.job_id == job.id, made)
        if found := conn.scalar(called.where(table.c.endpoint != "").limit(1)):
            return str(found)
    return ""


def _call(row: Any) -> StoredCall:
    trigger = None
    if row.event_id is not None and row.type is not None:
        span = chunk_span(
            row.trigger_text, row.trigger_start, row.trigger_end, row.grounding, row.char_start
        )
        trigger = Trigger(row.type, span)
    return StoredCall(
        **{name: row._mapping[name] for name in _PLAIN},
        document_id=row.document_id,
        task=Task(row.task),
        rejects=list(row.rejects or ()),
        demonstration_ids=list(row.demonstration_ids or ()),
        demonstration_sets=list(row.demonstration_sets or ()),
        text=row.text,
        at=row.char_start,
        trigger=trigger,
    )
