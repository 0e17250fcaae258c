"""Quarantined items: listing, counting, showing and retrying them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from ruie.db.item_states import PENDING, QUARANTINED
from ruie.db.jobs import get_job
from ruie.db.models import (
    attempts,
    chunks,
    documents,
    events,
    jobs,
    origins,
    quarantine,
    work_items,
)
from ruie.db.sql import pieces
from ruie.db.types import utcnow
from ruie.errors import DatabaseError
from ruie.lengths import LONGEST_MODEL_BYTES, check_length
from ruie.records import Task


@dataclass(frozen=True, slots=True)
class QuarantinedItem:
    """A quarantined item. id: the work item's. external_id: the document's in this job."""

    id: int
    job_id: str
    external_id: str | None
    task: Task
    error_class: str
    error: str
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A call that failed, or whose answer could not be used. cost_usd: None where unknown."""

    attempt: int
    error_class: str
    error: str
    model: str
    raw_output: str | None
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    at: datetime


@dataclass(frozen=True, slots=True)
class DocumentOrigin:
    """Where a job read a document: the file, and the line, from 1, where it has lines."""

    external_id: str
    source: str | None
    line: int | None


@dataclass(frozen=True, slots=True)
class QuarantinedDetail:
    """Everything that is known about a quarantined item."""

    item: QuarantinedItem
    model: str
    """Of its calls; "" stands for the first that the endpoint lists."""
    event: str | None
    """Of EAE: the event whose arguments were to be extracted, `type: trigger`."""
    text: str
    """The chunk's text."""
    places: tuple[DocumentOrigin, ...]
    prompt: tuple[dict[str, str], ...] | None
    """The messages, where a call had been made."""
    raw_output: str | None
    history: tuple[FailedCall, ...]
    """The calls that failed, the oldest first, including those before an earlier retry."""


_NAME = (
    select(func.min(origins.c.external_id))
    .where(
        origins.c.job_id == quarantine.c.job_id, origins.c.document_id == quarantine.c.document_id
    )
    .scalar_subquery()
)
_ITEM = select(
    quarantine.c.work_item_id.label("id"),
    quarantine.c.job_id,
    _NAME.label("external_id"),
    quarantine.c.task,
    quarantine.c.error_class,
    quarantine.c.error,
    quarantine.c.attempts,
    quarantine.c.created_at.label("at"),
)


def list_quarantined(
    conn: Connection, job_id: str | None = None, error_class: str | None = None, limit: int = 50
) -> list[QuarantinedItem]:
    """Quarantined items, the newest first; of one job or all, of one error class or all."""
    query = (
        _ITEM.where(*_of(job_id, error_class))
        .order_by(quarantine.c.created_at.desc(), quarantine.c.id.desc())
        .limit(limit)
    )
    return [_item(row) for row in conn.execute(query)]


def documents_of(conn: Connection, items: Sequence[int]) -> dict[int, int]:
    """The document of each of these quarantined items, by the work item's id."""
    query = select(quarantine.c.work_item_id, quarantine.c.document_id)
    rows = conn.execute(query.where(quarantine.c.work_item_id.in_(items)))
    return {row.work_item_id: row.document_id for row in rows}


def count_quarantined(conn: Connection, job_id: str | None = None) -> dict[str, int]:
    """The number of quarantined items of each error class, the most frequent class first."""
    query = (
        select(quarantine.c.error_class, func.count().label("items"))
        .where(*_of(job_id, None))
        .group_by(quarantine.c.error_class)
        .order_by(func.count().desc(), quarantine.c.error_class)
    )
    return {row.error_class: row.items for row in conn.execute(query)}


def get_quarantined(conn: Connection, item_id: int) -> QuarantinedDetail:
    """Everything about one item. Raises DatabaseError where it is not in quarantine."""
    row = conn.execute(_ITEM.where(quarantine.c.work_item_id == item_id)).one_or_none()
    if row is None:
        state = conn.execute(select(work_items.c.state).where(work_items.c.id == item_id)).scalar()
        raise DatabaseError(
            f"There is no item {item_id}."
            if state is None
            else f"The item {item_id} is not in quarantine: it is {state}.",
            "`ruie quarantine list` shows the items that are.",
        )
    item = _item(row)
    context = conn.execute(_CONTEXT.where(work_items.c.id == item_id)).one()
    kept = quarantine.c.prompt, quarantine.c.raw_output, quarantine.c.document_id
    prompt, raw_output, document_id = conn.execute(
        select(*kept).where(quarantine.c.work_item_id == item_id)
    ).one()
    return QuarantinedDetail(
        item=item,
        model=context.model,
        event=None if context.type is None else f"{context.type}: {context.trigger_text}",
        text=context.text,
        places=_places(conn, item.job_id, document_id),
        prompt=None if prompt is None else tuple(prompt),
        raw_output=raw_output,
        history=_history(conn, item_id),
    )


def retry_quarantined(
    conn: Connection, job_id: str, error_class: str | None = None, model: str | None = None
) -> int:
    """Make quarantined items, all or of one error class, pending as if they were new; a job that
    was done runs again. Returns the number of items.

    model: call this one for these items from now on; None: as before. The history of failed calls
    stays. Raises DatabaseError where there is no such job, or it is cancelled.
    """
    check_length("name of the model", model, LONGEST_MODEL_BYTES)
    # locked, so that the job is not cancelled meanwhile, which would leave pending items behind
    state = conn.execute(select(jobs.c.state).where(jobs.c.id == job_id).with_for_update()).scalar()
    if state in (None, "cancelled"):
        get_job(conn, job_id)
        raise DatabaseError(
            f"The job {job_id} is cancelled: its items cannot be retried.",
            "Enqueue the documents again; answers that are stored are not paid for twice.",
        )
    conditions = [work_items.c.job_id == job_id, work_items.c.state == QUARANTINED]
    if error_class is not None:
        conditions.append(work_items.c.error_class == error_class)
    reset: dict[str, Any] = dict.fromkeys(("max_tokens", "demonstrations", "error", "error_class"))
    if model is not None:
        reset["model"] = model
    ids = conn.scalars(
        update(work_items)
        .where(*conditions)
        .values(state=PENDING, attempts=0, losses=0, throttled=0, updated_at=utcnow(), **reset)
        .returning(work_items.c.id)
    ).all()
    for part in pieces(ids):
        conn.execute(delete(quarantine).where(quarantine.c.work_item_id.in_(part)))
    if ids and state == "done":
        conn.execute(
            update(jobs).where(jobs.c.id == job_id).values(state="running", finished_at=None)
        )
    return len(ids)


_CONTEXT = (
    select(
        func.coalesce(work_items.c.model, jobs.c.model).label("model"),
        func.substr(
            documents.c.text, chunks.c.char_start + 1, chunks.c.char_end - chunks.c.char_start
        ).label("text"),
        events.c.type,
        events.c.trigger_text,
    )
    .select_from(work_items)
    .join(jobs, jobs.c.id == work_items.c.job_id)
    .join(chunks, chunks.c.id == work_items.c.chunk_id)
    .join(documents, documents.c.id == chunks.c.document_id)
    .outerjoin(events, events.c.id == work_items.c.event_id)
)


def _of(job_id: str | None, error_class: str | None) -> list[ColumnElement[bool]]:
    columns: Sequence[tuple[Any, Any]] = (
        (quarantine.c.job_id, job_id),
        (quarantine.c.error_class, error_class),
    )
    return [column == value for column, value in columns if value is not None]


def _item(row: Any) -> QuarantinedItem:
    return QuarantinedItem(**{**row._mapping, "task": Task(row.task)})


def _places(conn: Connection, job_id: str, document_id: int) -> tuple[DocumentOrigin, ...]:
    query = (
        select(origins.c.external_id, origins.c.source, origins.c.line)
        .where(origins.c.job_id == job_id, origins.c.document_id == document_id)
        .order_by(origins.c.id)
    )
    return tuple(DocumentOrigin(*row) for row in conn.execute(query))


def _history(conn: Connection, item_id: int) -> tuple[FailedCall, ...]:
    names = ("attempt", "error_class", "error", "model", "raw_output", "prompt_tokens",
             "completion_tokens", "cost_usd", "created_at")  # fmt: skip  # in the class's order
    query = select(*(attempts.c[name] for name in names)).where(attempts.c.work_item_id == item_id)
    return tuple(FailedCall(*row) for row in conn.execute(query.order_by(attempts.c.id)))
