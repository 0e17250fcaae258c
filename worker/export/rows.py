"""A document's records as an annotated row: what has no place in the text is left out, counted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ruie.db.record_pages import DocumentRecords, SpanRecord
from ruie.records import Task


@dataclass(slots=True)
class Counts:
    """What was written, and what was not. ungrounded: records without a place in the text.
    unanswered: documents of which no task is answered in full."""

    documents: int = 0
    ungrounded: int = 0
    unanswered: int = 0


def to_line(document: DocumentRecords, job: str, counts: Counts) -> str | None:
    """A line of the layout of docs/data.md; None for a document without any answered task.

    A key is there only if its task was answered in full: to a reader it says that what is not
    listed is not in the text. `provenance` and `record` are for people; readers of rows pass them
    over.
    """
    if not document.answered:
        counts.unanswered += 1
        return None
    counts.documents += 1
    written: dict[str, Any] = {"id": document.external_id, "text": document.text}
    text = document.text
    if Task.NER in document.answered:
        entities = [e for e in document.entities if _located(counts, e.span)]
        written["entities"] = [
            {"type": e.type, **_span(text, e.span), "record": e.id} for e in entities
        ]
    if Task.RE in document.answered:
        relations = [r for r in document.relations if _located(counts, r.head, r.tail)]
        written["relations"] = [
            {
                "type": r.type,
                "head": _span(text, r.head),
                "tail": _span(text, r.tail),
                "record": r.id,
            }
            for r in relations
        ]
    if Task.ED in document.answered:
        events = [v for v in document.events if _located(counts, v.trigger)]
        written["events"] = [
            {
                "type": v.type,
                "trigger": _span(text, v.trigger),
                "arguments": [
                    {"role": a.role, **_span(text, a.span)}
                    for a in v.arguments
                    if _located(counts, a.span)
                ],
                "record": v.id,
            }
            for v in events
        ]
    written["provenance"] = {
        "job": job,
        "document": document.id,
        "external_id": document.external_id,
        "digest": document.digest,
        "models": document.models,
    }
    return json.dumps(written, ensure_ascii=False)


def _located(counts: Counts, *spans: SpanRecord) -> bool:
    found = all(span.start is not None for span in spans)
    counts.ungrounded += not found
    return found


def _span(text: str, span: SpanRecord) -> dict[str, Any]:
    # a span found after normalising reads otherwise than the text: the row has the text's words
    return {"text": text[span.start : span.end], "start": span.start, "end": span.end}
