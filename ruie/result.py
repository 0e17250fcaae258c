"""`Result`: the records of one text, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ruie import marked_html
from ruie.errors import CallError
from ruie.questions import Answer
from ruie.records import Entity, Event, Query, Relation, Span

EXCERPT = 60
"""Characters of a text by which a person recognises it."""


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """The records of one text. `errors` are the failed calls, whose records are missing."""

    text: str
    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = ()
    events: tuple[Event, ...] = ()
    answers: tuple[Answer, ...] = ()
    errors: tuple[CallError, ...] = ()
    unanswered: tuple[Query, ...] = ()
    """The query of each of the `errors`, in the same order."""

    @property
    def complete(self) -> bool:
        """Whether every call was answered, so that no record is missing."""
        return not self.errors

    def failures(self) -> list[tuple[str, CallError]]:
        """Each failed call: its task, and why it failed."""
        return [(str(q.task), e) for q, e in zip(self.unanswered, self.errors, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values. Offsets are None where a span is not in the text. `failed` lists the
        calls whose records are missing: an empty list elsewhere says nothing of these tasks."""
        return {
            "text": self.text,
            "entities": [
                {"type": e.type, **_span(e.span), "confidence": e.confidence} for e in self.entities
            ],
            "relations": [
                {
                    "type": r.type,
                    "head": _span(r.head),
                    "tail": _span(r.tail),
                    "confidence": r.confidence,
                }
                for r in self.relations
            ],
            "events": [
                {
                    "type": v.type,
                    "trigger": _span(v.trigger),
                    "arguments": [
                        {"role": a.role, **_span(a.span), "confidence": a.confidence}
                        for a in v.arguments
                    ],
                    "confidence": v.confidence,
                }
                for v in self.events
            ],
            "failed": [
                {"task": task, "kind": error.kind, "error": str(error)}
                for task, error in self.failures()
            ],
        }

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{name}={len(records)}"
            for name, records in (
                ("entities", self.entities),
                ("relations", self.relations),
                ("events", self.events),
            )
        )
        failed = f", FAILED={[f'{t}: {e.message}' for t, e in self.failures()]}"
        return f"<Result {counts}{failed if self.errors else ''}, text={excerpt(self.text)}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the text with its spans marked, the records, the failed calls."""
        return marked_html.fragment([self.html()], self.types())

    def html(self) -> str:
        """The same without styles, to be shown with others."""
        failed = [f"{task}: {error}" for task, error in self.failures()]
        body = marked_html.body(
            self.text,
            ((entity, "") for entity in self.entities),
            ((relation, "") for relation in self.relations),
            ((event, "") for event in self.events),
        )
        return marked_html.failed(failed) + body

    def types(self) -> dict[str, set[str]]:
        """The types of its records, by kind."""
        return {
            "entity": {e.type for e in self.entities},
            "relation": {r.type for r in self.relations},
            "event": {v.type for v in self.events},
        }


def excerpt(text: str) -> str:
    """The beginning of a text, quoted."""
    return repr(text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…")


def _span(span: Span) -> dict[str, Any]:
    start, end = (span.start, span.end) if span.grounded else (None, None)
    return {"text": span.text, "start": start, "end": end, "grounding": str(span.grounding)}
