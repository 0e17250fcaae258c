"""A leased work item with everything that its call needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from ruie.db.models import chunks, documents, events, work_items
from ruie.modes import Mode
from ruie.records import Grounding, Span, Task, Trigger


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a call has in place of the job's model and settings; None: the job's."""

    model: str | None = None
    max_tokens: int | None = None
    demonstrations: int | None = None
    mode: Mode | None = None

    def given(self) -> dict[str, Any]:
        """Those that are not None, by name: the names of columns of `work_items`."""
        return {name: value for name, value in asdict(self).items() if value is not None}


NO_OVERRIDES = Overrides()
Lease = tuple[int, int]
"""The item's id, and the fencing token."""


@dataclass(frozen=True, slots=True)
class LeasedItem:
    """A leased work item. `text` is its chunk's, and offsets of `trigger` are in it."""

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
    """Leases so far, including this one."""
    losses: int
    """Of these, the number that ended because the worker was lost."""
    overrides: Overrides = NO_OVERRIDES
    part: bool = False
    """The chunk is not the whole document."""

    @property
    def lease(self) -> Lease:
        """Which lease of the item this is."""
        return self.id, self.fence


def read_leased(conn: Connection, ids: Sequence[int]) -> list[LeasedItem]:
    """The items with these ids, each with its chunk's text."""
    return [_leased(row) for row in conn.execute(_ITEMS, {"ids": list(ids)})] if ids else []


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
        work_items.c.mode,
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
        overrides=Overrides(row.model, row.max_tokens, row.demonstrations, row.mode),
        part=row.part,
    )


def chunk_span(
    text: str, start: int | None, end: int | None, grounding: str, chunk_start: int
) -> Span:
    """A stored span, whose offsets are in the document, with offsets in the chunk's text."""
    if start is None or end is None:
        return Span(text)
    return Span(text, start - chunk_start, end - chunk_start, Grounding(grounding))
