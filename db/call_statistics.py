"""What past calls tell about calls to come. Of the last `RECENT` extractions alone, so that asking
is quick however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from ruie.db.leased_item import chunk_span
from ruie.db.models import events, extractions
from ruie.db.results import PaidExtraction
from ruie.db.sql import pieces
from ruie.records import Task, Trigger

RECENT = 200_000


@dataclass(frozen=True, slots=True)
class PastCalls:
    """Calls of one model and task, and the tokens of all their answers together."""

    calls: int
    completion_tokens: int


def past_calls(conn: Connection, model: str) -> dict[Task, PastCalls]:
    """Recent calls of a model by task; answers that were reused are not counted."""
    query = (
        select(extractions.c.task, func.count(), func.sum(extractions.c.completion_tokens))
        .where(_recent(conn, model))
        .group_by(extractions.c.task)
    )
    return {
        Task(task): PastCalls(calls, int(tokens)) for task, calls, tokens in conn.execute(query)
    }


def past_events(
    conn: Connection, model: str, schema_digest: str, types: Sequence[str]
) -> tuple[int, int]:
    """How many recent ED calls a model had with this schema, and how many events of these types
    they found; an event in the overlap of two chunks is one."""
    detections = and_(
        _recent(conn, model),
        extractions.c.task == Task.ED.value,
        extractions.c.schema_digest == schema_digest,
    )
    calls = conn.execute(select(func.count()).where(detections)).scalar_one()
    # what two chunks both found is asked about once
    of_an_overlap = and_(events.c.shared, events.c.trigger_start.is_not(None))
    found = (
        select(
            extractions.c.job_id,
            events.c.document_id,
            events.c.type,
            events.c.trigger_start,
            events.c.trigger_end,
            case((of_an_overlap, None), else_=events.c.id),
        )
        .join(events, events.c.extraction_id == extractions.c.id)
        .where(detections, events.c.type.in_(types))
        .distinct()
        .subquery()
    )
    return calls, conn.execute(select(func.count()).select_from(found)).scalar_one()


def events_of(
    conn: Connection, detections: Sequence[PaidExtraction], types: Sequence[str]
) -> dict[str, list[Trigger]]:
    """The events of these types that ED extractions found, by the extractions' keys; offsets are in
    the chunks' texts."""
    by_id = {paid.id: paid for paid in detections}
    found: dict[str, list[Trigger]] = {}
    for part in pieces(list(by_id)):
        query = (
            select(events)
            .where(events.c.extraction_id.in_(part), events.c.type.in_(types))
            .order_by(events.c.id)
        )
        for row in conn.execute(query):
            paid = by_id[row.extraction_id]
            span = chunk_span(
                row.trigger_text, row.trigger_start, row.trigger_end, row.grounding,
                paid.chunk_start,
            )  # fmt: skip  # one span
            found.setdefault(paid.key, []).append(Trigger(row.type, span))
    return found


def _recent(conn: Connection, model: str) -> ColumnElement[bool]:
    last = conn.execute(select(func.max(extractions.c.id))).scalar() or 0
    return and_(
        extractions.c.id > last - RECENT,
        extractions.c.model == model,
        extractions.c.reused_from.is_(None),
    )
