"""A document's records as an annotated row; records without offsets are left out and counted."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from ruie.db.record_pages import (
    DocumentRecords,
    EntityRecord,
    EventRecord,
    RelationRecord,
    SpanRecord,
)
from ruie.formats.jsonl import KEYS
from ruie.records import Task

RecordTable = Literal["documents", "entities", "relations", "events", "event_arguments"]
"""The tables of an export."""


@dataclass(slots=True)
class Counts:
    """What was written and what was left out. ungrounded: records without offsets in the text.
    unanswered: documents without a completely answered task. doubtful: records of less confidence
    than `least`, which was asked for, among them unrated ones, of which none is known."""

    documents: int = 0
    ungrounded: int = 0
    unanswered: int = 0
    doubtful: int = 0
    unrated: int = 0
    least: float | None = None


def to_line(
    document: DocumentRecords, job: str, counts: Counts, unanswered: Collection[Task] = ()
) -> str | None:
    """A line in the layout of docs/data.md; None for a document without any answered task.

    A key is written only if its task was answered completely: to readers it means that what is not
    listed is not in the text. unanswered: tasks whose keys are null otherwise, for a person to
    fill in; then no document is left out. `provenance`, `record`, `source` and `confidence` are for
    people; readers ignore them.
    """
    if not document.answered and not unanswered:
        counts.unanswered += 1
        return None
    counts.documents += 1
    row: dict[str, Any] = {"id": document.external_id, "text": document.text}
    text = document.text
    if Task.NER in document.answered:
        row["entities"] = [
            {"type": e.type, **_span(text, e.span), **_said(e)}
            for e in document.entities
            if _located(counts, e.span)
        ]
    if Task.RE in document.answered:
        row["relations"] = [
            {"type": r.type, "head": _span(text, r.head), "tail": _span(text, r.tail), **_said(r)}
            for r in document.relations
            if _located(counts, r.head, r.tail)
        ]
    if Task.ED in document.answered:
        row["events"] = [
            {
                "type": v.type,
                "trigger": _span(text, v.trigger),
                "arguments": [
                    {"role": a.role, **_span(text, a.span), "confidence": a.confidence}
                    for a in v.arguments
                    if _located(counts, a.span)
                ],
                **_said(v),
            }
            for v in document.events
            if _located(counts, v.trigger)
        ]
    row |= {KEYS[task]: None for task in unanswered if task not in document.answered}
    row["provenance"] = {
        "job": job,
        "document": document.id,
        "external_id": document.external_id,
        "digest": document.digest,
        "models": document.models,
        **({} if counts.least is None else {"min_confidence": counts.least}),
    }
    return json.dumps(row, ensure_ascii=False)


def _said(record: EntityRecord | RelationRecord | EventRecord) -> dict[str, Any]:
    return {"record": record.id, "source": record.source, "confidence": record.confidence}


def _located(counts: Counts, *spans: SpanRecord) -> bool:
    located = all(span.start is not None for span in spans)
    counts.ungrounded += not located
    return located


def _span(text: str, span: SpanRecord) -> dict[str, Any]:
    # a span that was found after normalising differs from the text: the row has the text's words
    return {"text": text[span.start : span.end], "start": span.start, "end": span.end}
