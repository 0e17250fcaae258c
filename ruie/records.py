"""The data model: the four tasks, spans of text, and items made of spans.

One shape serves all four tasks. An `Item` is a type with one span (an entity, an event's trigger,
an argument in its role) or two (a relation's head and tail). Rendering, parsing, grounding and
scoring work on items; `Entity`, `Relation` and `Event` are the form for users.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


class Task(StrEnum):
    """The four extraction tasks of RUIE (arXiv 2409.11673)."""

    NER = "NER"  # named entity recognition: (type, span)
    RE = "RE"  # relation extraction: (type, head, tail)
    ED = "ED"  # event detection: (type, trigger)
    EAE = "EAE"  # event argument extraction: (role, span), for one detected event

    @property
    def arity(self) -> int:
        """The number of spans of an item of this task."""
        return 2 if self is Task.RE else 1


class Grounding(StrEnum):
    """How a span was located in its document, from the strictest to the loosest."""

    EXACT = "exact"
    NORMALISED = "normalised"
    FUZZY = "fuzzy"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a document: `document[start:end] == text`. Offsets count Unicode characters.

    A span that is not (or not yet) located in its document has `start == end == -1` and
    `Grounding.NONE`.
    """

    text: str
    start: int = -1
    end: int = -1
    grounding: Grounding = Grounding.NONE

    @property
    def grounded(self) -> bool:
        """Whether it has offsets."""
        return self.start >= 0

    def body(self) -> dict[str, Any]:
        """As plain JSON values."""
        grounding = str(self.grounding)
        return {"text": self.text, "start": self.start, "end": self.end, "grounding": grounding}

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """The inverse of `body`."""
        return cls(body["text"], body["start"], body["end"], Grounding(body["grounding"]))


@dataclass(frozen=True, slots=True)
class Item:
    """One extracted unit: a type (or role) with its spans, `Task.arity` of them. confidence: how
    probable it is that it is right, 0 to 1; None where nobody said. Items that differ in it alone
    are equal."""

    type: str
    spans: tuple[Span, ...]
    confidence: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Trigger:
    """The event of an EAE query."""

    type: str
    span: Span


@dataclass(frozen=True, slots=True)
class Query:
    """One task on one text.

    `labels` are the candidate types (for EAE: the event type's roles), in the schema's order, each
    with its description ("" where it has none).
    """

    task: Task
    text: str
    schema: str
    labels: dict[str, str] = field(hash=False)
    trigger: Trigger | None = None
    context: str = ""
    """Shown beside the text, such as its document's title; nothing is extracted from it."""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """An annotated example: a query's text with its gold items.

    `schema` names the corpus it was annotated in and `labels` all types that were annotated there,
    so that a missing item is a negative. `trigger` is set for EAE only.
    """

    id: str
    task: Task
    schema: str
    labels: tuple[str, ...]
    text: str
    items: tuple[Item, ...]
    trigger: Trigger | None = None

    def body(self) -> dict[str, Any]:
        """As plain JSON values, to be stored."""
        trigger = self.trigger
        return {
            "id": self.id,
            "task": str(self.task),
            "schema": self.schema,
            "labels": list(self.labels),
            "text": self.text,
            "trigger": trigger and {"type": trigger.type, "span": trigger.span.body()},
            "items": [
                {"type": item.type, "spans": [span.body() for span in item.spans]}
                for item in self.items
            ],
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """The inverse of `body`."""
        trigger = body["trigger"]
        return cls(
            id=body["id"],
            task=Task(body["task"]),
            schema=body["schema"],
            labels=tuple(body["labels"]),
            text=body["text"],
            items=tuple(
                Item(item["type"], tuple(map(Span.from_body, item["spans"])))
                for item in body["items"]
            ),
            trigger=Trigger(trigger["type"], Span.from_body(trigger["span"])) if trigger else None,
        )


class RejectReason(StrEnum):
    """Why a piece of the model's output did not become an item."""

    UNKNOWN_TYPE = "unknown_type"
    NOT_IN_TEXT = "not_in_text"
    MALFORMED = "malformed"
    REPEATED = "repeated"
    LEAKED = "leaked"


@dataclass(frozen=True, slots=True)
class Reject:
    """A rejected piece of the model's output, as the model wrote it."""

    reason: RejectReason
    raw: str


@dataclass(frozen=True, slots=True)
class Entity:
    """A named entity (NER). confidence: as of an `Item`."""

    type: str
    span: Span
    confidence: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation from head to tail (RE). confidence: as of an `Item`."""

    type: str
    head: Span
    tail: Span
    confidence: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of an event, in its role (EAE). confidence: as of an `Item`."""

    role: str
    span: Span
    confidence: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Event:
    """An event with its trigger (ED) and its arguments (EAE). confidence: as of an `Item`, of type
    and trigger."""

    type: str
    trigger: Span
    arguments: tuple[Argument, ...] = ()
    confidence: float | None = field(default=None, compare=False)
