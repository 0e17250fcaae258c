"""The rules of retrieval: which text is encoded, and which demonstrations a query may have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from ruie.bundle.manifest import Partition
from ruie.records import Demonstration, Query


def retrieval_text(example: Query | Demonstration) -> str:
    """The text that is encoded, of a query or a demonstration.

    NER, RE and ED: the sentence. EAE is about one event of the sentence, so the event comes first,
    where it is not lost when the text is cut at the encoder's maximum length.
    """
    if example.trigger is None:
        return example.text
    return f"{example.trigger.type}: {example.trigger.span.text} | {example.text}"


KEYWORD_TOKENS = ("<Keyword>", "</Keyword>")
"""Around each gold span of a demonstration; tokens of their own in a trained encoder."""


def passage_text(demonstration: Demonstration, *, keywords: bool) -> str:
    """The text of a demonstration as it is encoded: `retrieval_text`, with `keywords` after tagging
    the gold spans (`with_keywords`)."""
    if not keywords:
        return retrieval_text(demonstration)
    tagged = replace(demonstration, text=with_keywords(demonstration))
    return retrieval_text(tagged)


def with_keywords(demonstration: Demonstration) -> str:
    """A demonstration's sentence with `KEYWORD_TOKENS` around its gold spans and its trigger; spans
    that overlap or touch are merged."""
    spans = [span for item in demonstration.items for span in item.spans]
    if demonstration.trigger is not None:
        spans.append(demonstration.trigger.span)
    merged: list[list[int]] = []
    for start, end in sorted((span.start, span.end) for span in spans if span.grounded):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([start, end])
    opening, closing = KEYWORD_TOKENS
    text, pieces, at = demonstration.text, [], 0
    for start, end in merged:
        pieces += [text[at:start], f"{opening} {text[start:end]} {closing}"]
        at = end
    return "".join([*pieces, text[at:]])


def text_key(text: str) -> str:
    """Equal for texts that differ only in white space and case."""
    return " ".join(text.split()).casefold()


def usable_partitions(query: Query, partitions: Iterable[Partition]) -> list[Partition]:
    """The partitions whose demonstrations `query` may have.

    They have the query's task (for EAE also its event type), and their labels (for EAE: roles)
    equal the query's, contain them or are contained in them. If some of the query's own schema name
    have equal labels (one of a bundle, one that lies over it), there are no others.
    """
    event = query.trigger.type if query.trigger else None
    wanted = frozenset(query.labels)
    usable, own = [], []
    for partition in partitions:
        if partition.task is not query.task or partition.event != event:
            continue
        labels = frozenset(partition.labels)
        if not labels or not wanted or not (labels <= wanted or wanted <= labels):
            continue
        if labels == wanted and partition.schema_name == query.schema:
            own.append(partition)
        usable.append(partition)
    return own or usable


def project(demonstration: Demonstration, query: Query) -> Demonstration:
    """The demonstration as if only the query's labels had been annotated."""
    if all(label in query.labels for label in demonstration.labels):
        return demonstration
    return replace(
        demonstration,
        labels=tuple(label for label in demonstration.labels if label in query.labels),
        items=tuple(item for item in demonstration.items if item.type in query.labels),
    )


def partition_key(demonstration: Demonstration) -> tuple[str, str, str, tuple[str, ...]]:
    """Equal for demonstrations of the same partition; rows are sorted by it."""
    event = demonstration.trigger.type if demonstration.trigger else ""
    labels = tuple(sorted(set(demonstration.labels)))
    return str(demonstration.task), demonstration.schema, event, labels


def identity(d: Demonstration) -> tuple[object, ...]:
    """Equal for demonstrations that say the same, whatever their ids."""
    return d.task, d.schema, d.labels, d.text, d.items, d.trigger


def arrange(
    demonstrations: Sequence[Demonstration],
) -> tuple[list[Demonstration], tuple[Partition, ...]]:
    """The demonstrations sorted by partition (in the given order within each), and the partitions.

    Repeated demonstrations (the same task, schema, labels, text, items and trigger) are kept once.
    Where different ones share an id (two files whose rows are numbered), later ones get a suffix.
    """
    unique: dict[tuple[object, ...], Demonstration] = {}
    for d in demonstrations:
        unique.setdefault(identity(d), d)
    rows = sorted(_with_unique_ids(unique.values()), key=partition_key)
    partitions: list[Partition] = []
    start = 0
    for stop in range(1, len(rows) + 1):
        if stop < len(rows) and partition_key(rows[stop]) == partition_key(rows[start]):
            continue
        counts: dict[str, int] = {}
        for row in rows[start:stop]:
            key = text_key(row.text)
            counts[key] = counts.get(key, 0) + 1
        first = rows[start]
        partitions.append(
            Partition(
                task=first.task,
                schema_name=first.schema,
                labels=tuple(sorted(set(first.labels))),
                event=first.trigger.type if first.trigger else None,
                start=start,
                stop=stop,
                repeats=max(counts.values()),
            )
        )
        start = stop
    return rows, tuple(partitions)


def _with_unique_ids(demonstrations: Iterable[Demonstration]) -> Iterator[Demonstration]:
    taken: set[str] = set()
    for demonstration in demonstrations:
        name = unused(demonstration.id, taken)
        taken.add(name)
        yield demonstration if name == demonstration.id else replace(demonstration, id=name)


def unused(id: str, taken: Collection[str]) -> str:
    """The id, with a suffix where it is taken."""
    name, number = id, 1
    while name in taken:
        number += 1
        name = f"{id}~{number}"
    return name
