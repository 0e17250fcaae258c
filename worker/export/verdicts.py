"""What a review says of a document's records: which are right, which are not, what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ruie.db.record_pages import DocumentRecords, SpanRecord
from ruie.db.reviews import Review
from ruie.records import Task

Key = tuple[str, ...]
"""A record as it is compared: kind, type and the offsets of its spans, as texts."""


@dataclass(frozen=True, slots=True)
class Added:
    """A record that the review has and the job has not. words: those of its spans."""

    kind: str
    type: str
    words: tuple[str, ...]


class Verdicts:
    """The records of a review, to be compared with those of a job by type and offsets."""

    def __init__(self, review: Review) -> None:
        self._tasks = {Task(task) for task in review.tasks}
        self._gold = dict(_reviewed(review.body))
        self._seen: set[Key] = set()

    def right(self, task: Task, *key: str | SpanRecord) -> bool | None:
        """Whether the review has the record, too; None where its task was not reviewed."""
        if task not in self._tasks:
            return None
        made = _key(*key)
        self._seen.add(made)
        return made in self._gold

    def added(self) -> list[Added]:
        """What the review has beside the records that were asked for, in its order."""
        return [record for key, record in self._gold.items() if key not in self._seen]


def counted(document: DocumentRecords, verdicts: Verdicts) -> tuple[int, int, int]:
    """Records that are right, records that are not, and records that are missing."""
    asked = [
        *(verdicts.right(Task.NER, "entity", e.type, e.span) for e in document.entities),
        *(verdicts.right(Task.RE, "relation", r.type, r.head, r.tail) for r in document.relations),
        *(verdicts.right(Task.ED, "event", v.type, v.trigger) for v in document.events),
        *(
            verdicts.right(Task.ED, "argument", v.type, v.trigger, a.role, a.span)
            for v in document.events
            for a in v.arguments
        ),
    ]
    return asked.count(True), asked.count(False), len(verdicts.added())


def _reviewed(body: Mapping[str, Any]) -> Iterator[tuple[Key, Added]]:
    for e in body.get("entities", ()):
        yield _key("entity", e["type"], e), Added("entity", e["type"], (e["text"],))
    for r in body.get("relations", ()):
        words = (r["head"]["text"], r["tail"]["text"])
        yield (
            _key("relation", r["type"], r["head"], r["tail"]),
            Added("relation", r["type"], words),
        )
    for v in body.get("events", ()):
        trigger = v["trigger"]
        yield _key("event", v["type"], trigger), Added("event", v["type"], (trigger["text"],))
        for a in v.get("arguments", ()):
            yield (
                _key("argument", v["type"], trigger, a["role"], a),
                Added("argument", v["type"], (trigger["text"], a["role"], a["text"])),
            )


def _key(*parts: str | SpanRecord | Mapping[str, Any]) -> Key:
    """Spans are compared by their offsets; one without a place by that alone."""
    key = []
    for part in parts:
        if isinstance(part, str):
            key.append(part)
        elif isinstance(part, SpanRecord):
            key.append(f"{part.start}:{part.end}")
        else:
            key.append(f"{part.get('start')}:{part.get('end')}")
    return tuple(key)
