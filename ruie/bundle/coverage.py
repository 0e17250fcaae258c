"""What of a schema has demonstrations, and what a model would have to answer without any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ruie.bundle.manifest import Partition
from ruie.bundle.retrieval import arrange, usable_partitions
from ruie.records import Demonstration, Query, Span, Task, Trigger
from ruie.schema import Schema

NAMES = {Task.NER: "entities", Task.RE: "relations", Task.ED: "events"}


def undemonstrated(
    schema: Schema, partitions: Sequence[Partition], added: Sequence[Demonstration] = ()
) -> list[str]:
    """What of the schema has no demonstration, in words: "entities", "relations", "events",
    "arguments of Attack". partitions: of a bundle. added: what lies over it."""
    every = (*partitions, *arrange(list(added))[1])
    return [words for words, query in _queries(schema) if not usable_partitions(query, every)]


def _queries(schema: Schema) -> Iterable[tuple[str, Query]]:
    for task in schema.tasks:
        yield NAMES[task], schema.query(task, "")
    for event, roles in schema.events.items():
        if roles:
            trigger = Trigger(event, Span(""))
            yield f"arguments of {event}", schema.query(Task.EAE, "", trigger)
