"""One work item in a worker's hands: lease, renew, give back, retry, quarantine.

Each function but `lease` names the item by its id and the fencing token of the lease; where a
later lease exists, it changes nothing and says so. All times are the database's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from ruie.db.models import attempts, chunks, documents, events, jobs, quarantine, work_items
from ruie.db.sql import LEASED, PENDING, QUARANTINED, RETRY, changed
from ruie.db.types import utcnow
from ruie.records import Grounding, Span, Task, Trigger

ERROR_CHARS = 4000
"""Characters of an error's message that are kept."""


@dataclass(frozen=True, slots=True)
class LeasedItem:
    """A work item and all that its call needs. Offsets of `trigger` are in `text`, the chunk's."""

    id: int
    fence: int
    job_id: str
    task: Task
    text: str
    chunk_id: int
    chunk_start: int
    document_id: int
    event_id: int | None
    trigger: Trigger | None
    attempts: int
    """Leases so far, this one included."""
    losses: int
    """Of these, how many ended without an answer because the worker was lost."""
    model: str | None = None
    """Where this item is asked otherwise than its job: the model, ..."""
    max_tokens: int | None = None
    """... the longest answer, tokens, ..."""
    demonstrations: int | None = None
    """... and how many demonstrations."""
    part: bool = False
    """The chunk is not the whole document."""


_FREE: dict[str, Any] = {
    "batch": None,
    "dispatched_until": None,
    "lease_owner": None,
    "lease_expires": None,
    "reserved_nusd": None,
    "reserved_on": None,
}
HELD = and_(
    work_items.c.id == bindparam("item"),
    work_items.c.fence == bindparam("token"),
    work_items.c.state == LEASED,
)
"""The lease is still ours: this condition is the fence."""


def lease(conn: Connection, batch_id: str, owner: str, ttl_s: float) -> list[LeasedItem]:
    """Take the batch's items that are still pending, for `ttl_s` seconds.

    A second delivery of the same message, a batch that was sent again under another name and a
    job that is paused or cancelled give an empty list.
    """
    # PostgreSQL: who comes second skips the locked rows, and finds the others no longer pending.
    # SQLite: the transaction has been the only writer since it began.
    mine = (
        select(work_items.c.id)
        .join(jobs, jobs.c.id == work_items.c.job_id)
        .where(
            work_items.c.batch == batch_id,
            work_items.c.state == PENDING,
            jobs.c.state == "running",
        )
        .with_for_update(of=work_items, skip_locked=True)
    )
    taken = conn.execute(
        update(work_items)
        .where(work_items.c.id.in_(mine), work_items.c.state == PENDING)
        .values(
            state=LEASED,
            fence=work_items.c.fence + 1,
            attempts=work_items.c.attempts + 1,
            batch=None,
            dispatched_until=None,
            lease_owner=owner,
            lease_expires=utcnow(ttl_s),
            updated_at=utcnow(),
        )
        .returning(work_items.c.id)
    ).scalars()
    ids = list(taken)
    return [_leased(row) for row in conn.execute(_ITEMS, {"ids": ids})] if ids else []


_ITEMS = (
    select(
        work_items.c.id,
        work_items.c.fence,
        work_items.c.job_id,
        work_items.c.task,
        func.substr(
            documents.c.text, chunks.c.char_start + 1, chunks.c.char_end - chunks.c.char_start
        ).label("text"),
        work_items.c.chunk_id,
        chunks.c.char_start,
        chunks.c.document_id,
        (chunks.c.char_end - chunks.c.char_start < documents.c.chars).label("part"),
        work_items.c.event_id,
        work_items.c.attempts,
        work_items.c.losses,
        work_items.c.model,
        work_items.c.max_tokens,
        work_items.c.demonstrations,
        events.c.type,
        events.c.trigger_text,
        events.c.trigger_start,
        events.c.trigger_end,
        events.c.grounding,
    )
    .select_from(work_items)
    .join(chunks, chunks.c.id == work_items.c.chunk_id)
    .join(documents, documents.c.id == chunks.c.document_id)
    .outerjoin(events, events.c.id == work_items.c.event_id)
    .where(work_items.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(work_items.c.id)
)


def _leased(row: Any) -> LeasedItem:
    trigger = None
    if row.event_id is not None:
        span = chunk_span(
            row.trigger_text, row.trigger_start, row.trigger_end, row.grounding, row.char_start
        )
        trigger = Trigger(row.type, span)
    return LeasedItem(
        id=row.id,
        fence=row.fence,
        job_id=row.job_id,
        task=Task(row.task),
        text=row.text,
        chunk_id=row.chunk_id,
        chunk_start=row.char_start,
        document_id=row.document_id,
        event_id=row.event_id,
        trigger=trigger,
        attempts=row.attempts,
        losses=row.losses,
        model=row.model,
        max_tokens=row.max_tokens,
        demonstrations=row.demonstrations,
        part=row.part,
    )


def chunk_span(
    text: str, start: int | None, end: int | None, grounding: str, chunk_start: int
) -> Span:
    """A stored span, whose offsets are in the document, as the chunk's text has it."""
    if start is None or end is None:
        return Span(text)
    return Span(text, start - chunk_start, end - chunk_start, Grounding(grounding))


def renew(conn: Connection, owner: str, items: Sequence[LeasedItem], ttl_s: float) -> set[int]:
    """Hold the items for another `ttl_s` seconds; returns the ids of those whose lease is still
    the one that `items` name. The same owner may have an item again under a later lease."""
    if not items:
        return set()
    statement = (
        update(work_items)
        .where(
            work_items.c.id.in_([item.id for item in items]),
            work_items.c.state == LEASED,
            work_items.c.lease_owner == owner,
        )
        .values(lease_expires=utcnow(ttl_s))
        .returning(work_items.c.id, work_items.c.fence)
    )
    held = {(row.id, row.fence) for row in conn.execute(statement)}
    return {item.id for item in items if (item.id, item.fence) in held}


def release(conn: Connection, items: Sequence[LeasedItem], delay_s: float = 0.0) -> int:
    """Give items back unharmed, as if they had not been leased, to be handed out again after
    `delay_s` seconds; gives how many were still held."""
    statement = _DEFER if delay_s > 0 else _RELEASE
    more = {"delay": delay_s} if delay_s > 0 else {}
    return sum(
        changed(conn, statement, {"item": item.id, "token": item.fence, **more}) for item in items
    )


_GIVE_BACK = {"attempts": work_items.c.attempts - 1, "updated_at": utcnow(), **_FREE}
_RELEASE = update(work_items).where(HELD).values(state=PENDING, **_GIVE_BACK)
_DEFER = (
    update(work_items)
    .where(HELD)
    .values(state=RETRY, not_before=utcnow(bindparam("delay", type_=Double())), **_GIVE_BACK)
)


def put_back(conn: Connection, batch_id: str, delay_s: float) -> None:
    """The batch was not leased: send it again after `delay_s` seconds."""
    conn.execute(
        update(work_items)
        .where(work_items.c.batch == batch_id, work_items.c.state == PENDING)
        .values(dispatched_until=utcnow(delay_s))
    )


def others_wait(conn: Connection, priority: int) -> bool:
    """Whether a batch of a job of another class was sent and not yet leased."""
    sent = (
        select(work_items.c.id)
        .join(jobs, jobs.c.id == work_items.c.job_id)
        .where(
            work_items.c.batch.is_not(None),
            work_items.c.state == PENDING,
            jobs.c.state == "running",
            jobs.c.priority != priority,
        )
    )
    return conn.execute(sent.limit(1)).first() is not None


def retry(
    conn: Connection,
    item: LeasedItem,
    delay_s: float,
    error: BaseException,
    *,
    counts: bool,
    otherwise: Mapping[str, int] | None = None,
) -> bool:
    """Try again after `delay_s` seconds. counts: whether this attempt is one of those allowed.
    otherwise: `max_tokens` or `demonstrations`, if they shall be others than the job's.

    False where the lease had been lost: then nothing changed.
    """
    return _end(
        conn,
        item,
        error,
        state=RETRY,
        not_before=utcnow(max(0.0, delay_s)),
        attempts=work_items.c.attempts - (0 if counts else 1),
        **(otherwise or {}),
    )


def record_attempt(
    conn: Connection,
    item: LeasedItem,
    error: BaseException,
    *,
    model: str,
    endpoint: str,
    raw_output: str | None = None,
    tokens: tuple[int, int] = (0, 0),
    cost_usd: float | None = None,
) -> None:
    """Keep what is known of a call that failed. endpoint: the base URL that was called. tokens: of
    the prompt and of the answer, as the provider counted them. In the transaction that ends the
    item."""
    conn.execute(
        insert(attempts).values(
            work_item_id=item.id,
            job_id=item.job_id,
            attempt=item.attempts,
            model=model,
            endpoint=endpoint,
            raw_output=raw_output,
            prompt_tokens=tokens[0],
            completion_tokens=tokens[1],
            cost_usd=cost_usd,
            **_words(error),
        )
    )


def quarantine_item(
    conn: Connection,
    item: LeasedItem,
    error: BaseException,
    *,
    raw_output: str | None = None,
    prompt: Sequence[dict[str, Any]] | None = None,
) -> bool:
    """Give an item up and keep what is known. prompt: the messages. False: the lease was lost."""
    if not _end(conn, item, error, state=QUARANTINED):
        return False
    conn.execute(delete(quarantine).where(quarantine.c.work_item_id == item.id))
    conn.execute(
        insert(quarantine).values(
            work_item_id=item.id,
            job_id=item.job_id,
            document_id=item.document_id,
            task=str(item.task),
            raw_output=raw_output,
            prompt=None if prompt is None else list(prompt),
            attempts=item.attempts,
            **_words(error),
        )
    )
    return True


def _end(
    conn: Connection, item: LeasedItem, error: BaseException, **values: ColumnElement[Any] | int
) -> bool:
    statement = (
        update(work_items)
        .where(HELD)
        .values(updated_at=utcnow(), **_words(error), **_FREE, **values)
    )
    return changed(conn, statement, {"item": item.id, "token": item.fence}) == 1


def _words(error: BaseException) -> dict[str, str]:
    kind = getattr(error, "kind", type(error).__name__)
    return {"error_class": kind, "error": str(error)[:ERROR_CHARS]}
