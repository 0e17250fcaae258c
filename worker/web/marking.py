"""A document's text with its spans marked, and its records as rows that say where they are."""

from __future__ import annotations

from dataclasses import dataclass

from ruie import marked_html
from ruie.db.record_pages import DocumentRecords, SpanRecord


@dataclass(frozen=True, slots=True)
class Part:
    """A span of a record. name: its role, or "". confidence: of the record, at its first span, or
    of an argument."""

    name: str
    span: SpanRecord
    extraction: int
    confidence: float | None = None

    @property
    def place(self) -> str:
        """`12-20`, as the marks in the text have it; "" where it was not located."""
        start, end = self.span.start, self.span.end
        return "" if start is None or end is None else f"{start}-{end}"


@dataclass(frozen=True, slots=True)
class Row:
    """A record. parts: its spans, that which the others belong to first. style: the class of its
    type's colour."""

    kind: str
    type: str
    style: str
    parts: tuple[Part, ...]
    extraction: int
    source: str

    @property
    def places(self) -> str:
        """Where its spans are: what a script joins, the first with each of the others."""
        return " ".join(part.place for part in self.parts if part.place)


def records(document: DocumentRecords) -> dict[str, list[Row]]:
    """The records by their kind, in the order of the text."""
    entities = [
        _row("entity", e.type, (Part("", e.span, e.extraction, e.confidence),), e.source)
        for e in document.entities
    ]
    relations = [
        _row(
            "relation",
            r.type,
            (Part("", r.head, r.extraction, r.confidence), Part("", r.tail, r.extraction)),
            r.source,
        )
        for r in document.relations
    ]
    events = [
        _row(
            "event",
            v.type,
            (
                Part("", v.trigger, v.extraction, v.confidence),
                *(Part(a.role, a.span, a.extraction, a.confidence) for a in v.arguments),
            ),
            v.source,
        )
        for v in document.events
    ]
    return {"Entities": entities, "Relations": relations, "Events": events}


def marked_text(document: DocumentRecords) -> str:
    """HTML: the text, escaped, with a mark for each span that was located."""
    marks: list[marked_html.Mark] = []

    def mark(span: SpanRecord, kind: str, type_: str) -> None:
        if span.start is not None and span.end is not None and span.start < span.end:
            marks.append((span.start, span.end, kind, type_))

    for entity in document.entities:
        mark(entity.span, "entity", entity.type)
    for relation in document.relations:
        mark(relation.head, "relation", relation.type)
        mark(relation.tail, "relation", relation.type)
    for event in document.events:
        mark(event.trigger, "event", event.type)
        for argument in event.arguments:
            mark(argument.span, f"argument:{event.type}", argument.role)
    return marked_html.marked(document.text, marks, located=True)


def _row(kind: str, type_: str, parts: tuple[Part, ...], source: str) -> Row:
    return Row(kind, type_, marked_html.key(kind, type_), parts, parts[0].extraction, source)
