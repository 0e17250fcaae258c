"""What is in quarantine: the items of a job, how many of each error class, and all about one."""

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
from ruie.records import Task


@dataclass(frozen=True, slots=True)
class QuarantinedItem:
    """An item that was given up. id: the work item's. external_id: the document's in this job."""

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
    """A call that failed, or whose answer nobody could use. cost_usd: None where it is unknown."""

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
class Place:
    """Where a job found a document: file, and line from 1 where it has lines."""

    external_id: str
    source: str | None
    line: int | None


@dataclass(frozen=True, slots=True)
class QuarantinedDetail:
    """All that is known about an item that was given up."""

    item: QuarantinedItem
    model: str
    """Asked last; "" stands for the first that the endpoint lists."""
    event: str | None
    """Of EAE: the event that was asked about, `type: trigger`."""
    text: str
    """What the call was about: the chunk's text."""
    places: tuple[Place, ...]
    prompt: tuple[dict[str, str], ...] | None
    """The messages, where a call had been made."""
    raw_output: str | None
    history: tuple[FailedCall, ...]
    """The calls that failed, the oldest first, those before an earlier retry included."""


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
    """Items in quarantine, the newest first; of all jobs, or of one; of all classes, or of one."""
    query = (
        _ITEM.where(*_of(job_id, error_class))
        .order_by(quarantine.c.created_at.desc(), quarantine.c.id.desc())
        .limit(limit)
    )
    return [_item(row) for row in conn.execute(query)]


def count_quarantined(conn: Connection, job_id: str | None = None) -> dict[str, int]:
    """How many items of each error class are in quarantine, the most frequent class first."""
    query = (
        select(quarantine.c.error_class, func.count().label("items"))
        .where(*_of(job_id, None))
        .group_by(quarantine.c.error_class)
        .order_by(func.count().desc(), quarantine.c.error_class)
    )
    return {row.error_class: row.items for row in conn.execute(query)}


def get_quarantined(conn: Connection, item_id: int) -> QuarantinedDetail:
    """All about one item. Raises DatabaseError where it is not in quarantine."""
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
    about = conn.execute(_ABOUT.where(work_items.c.id == item_id)).one()
    kept = quarantine.c.prompt, quarantine.c.raw_output, quarantine.c.document_id
    prompt, raw_output, document_id = conn.execute(
        select(*kept).where(quarantine.c.work_item_id == item_id)
    ).one()
    return QuarantinedDetail(
        item=item,
        model=about.model,
        event=None if about.type is None else f"{about.type}: {about.trigger_text}",
        text=about.text,
        places=_places(conn, item.job_id, document_id),
        prompt=None if prompt is None else tuple(prompt),
        raw_output=raw_output,
        history=_history(conn, item_id),
    )


def retry_quarantined(
    conn: Connection, job_id: str, error_class: str | None = None, model: str | None = None
) -> int:
    """Quarantined items, all or of one error class, become pending as if new; a job that was done
    runs again. Gives how many items.

    model: ask this one instead, now and whenever these items are tried again; None: as before.
    The history of failed calls stays. Raises DatabaseError where there is no such job, or it is
    cancelled.
    """
    # locked, so that nobody cancels the job meanwhile and leaves pending items behind
    state = conn.execute(select(jobs.c.state).where(jobs.c.id == job_id).with_for_update()).scalar()
    if state in (None, "cancelled"):
        get_job(conn, job_id)
        raise DatabaseError(
            f"The job {job_id} is cancelled: nothing of it is asked again.",
            "Enqueue the documents again; what was answered is not paid for twice.",
        )
    chosen = [work_items.c.job_id == job_id, work_items.c.state == QUARANTINED]
    if error_class is not None:
        chosen.append(work_items.c.error_class == error_class)
    anew: dict[str, Any] = dict.fromkeys(("max_tokens", "demonstrations", "error", "error_class"))
    if model is not None:
        anew["model"] = model
    again = conn.scalars(
        update(work_items)
        .where(*chosen)
        .values(state=PENDING, attempts=0, losses=0, updated_at=utcnow(), **anew)
        .returning(work_items.c.id)
    ).all()
    for part in pieces(again):
        conn.execute(delete(quarantine).where(quarantine.c.work_item_id.in_(part)))
    if again and state == "done":
        conn.execute(
            update(jobs).where(jobs.c.id == job_id).values(state="running", finished_at=None)
        )
    return len(again)


_ABOUT = (
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
    chosen: Sequence[tuple[Any, Any]] = (
        (quarantine.c.job_id, job_id),
        (quarantine.c.error_class, error_class),
    )
    return [column == value for column, value in chosen if value is not None]


def _item(row: Any) -> QuarantinedItem:
    return QuarantinedItem(**{**row._mapping, "task": Task(row.task)})


def _places(conn: Connection, job_id: str, document_id: int) -> tuple[Place, ...]:
    query = (
        select(origins.c.external_id, origins.c.source, origins.c.line)
        .where(origins.c.job_id == job_id, origins.c.document_id == document_id)
        .order_by(origins.c.id)
    )
    return tuple(Place(*row) for row in conn.execute(query))


def _history(conn: Connection, item_id: int) -> tuple[FailedCall, ...]:
    names = ("attempt", "error_class", "error", "model", "raw_output", "prompt_tokens",
             "completion_tokens", "cost_usd", "created_at")  # fmt: skip  # in the class's order
    query = select(*(attempts.c[name] for name in names)).where(attempts.c.work_item_id == item_id)
    return tuple(FailedCall(*row) for row in conn.execute(query.order_by(attempts.c.id)))
