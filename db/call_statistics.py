"""Statistics of past calls, for estimates. Only the last `RECENT` extractions are counted, so that
a query is fast however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, case, func, select

from ruie.db.kept_answers import PaidExtraction
from ruie.db.leased_item import chunk_span
from ruie.db.models import events, extractions
from ruie.db.sql import pieces
from ruie.db.usage_columns import FROM_MODEL
from ruie.records import Task, Trigger

RECENT = 200_000


@dataclass(frozen=True, slots=True)
class CallStatistics:
    """The number of calls of one model and task, and the tokens of all their answers."""

    calls: int
    completion_tokens: int


def calls_by_task(conn: Connection, model: str) -> dict[Task, CallStatistics]:
    """Recent calls of a model by task, without reused answers."""
    query = (
        select(extractions.c.task, func.count(), func.sum(extractions.c.completion_tokens))
        .where(_recent(conn, model))
        .group_by(extractions.c.task)
    )
    return {
        Task(task): CallStatistics(calls, int(tokens))
        for task, calls, tokens in conn.execute(query)
    }


def count_events(
    conn: Connection, model: str, schema_digest: str, types: Sequence[str]
) -> tuple[int, int]:
    """The number of a model's recent ED calls with this schema, and of the events of these types
    that they detected; an event in the overlap of two chunks counts once."""
    detections = and_(
        _recent(conn, model),
        extractions.c.task == Task.ED.value,
        extractions.c.schema_digest == schema_digest,
    )
    calls = conn.execute(select(func.count()).where(detections)).scalar_one()
    of_an_overlap = and_(events.c.shared, events.c.trigger_start.is_not(None))
    detected = (
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
    return calls, conn.execute(select(func.count()).select_from(detected)).scalar_one()


def detected_events(
    conn: Connection, detections: Sequence[PaidExtraction], types: Sequence[str]
) -> dict[str, list[Trigger]]:
    """The events of these types in ED extractions, by the extractions' keys; offsets are in the
    chunks' texts."""
    by_id = {paid.id: paid for paid in detections}
    detected: dict[str, list[Trigger]] = {}
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
            detected.setdefault(paid.key, []).append(Trigger(row.type, span))
    return detected


def _recent(conn: Connection, model: str) -> ColumnElement[bool]:
    last = conn.execute(select(func.max(extractions.c.id))).scalar() or 0
    return and_(
        extractions.c.id > last - RECENT,
        extractions.c.model == model,
        extractions.c.reused_from.is_(None),
        FROM_MODEL,
    )
