"""What retrieval means, without any vector: the text that is compared, and who may serve whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ruie.bundle.manifest import Partition
from ruie.records import Demonstration, Query


def retrieval_text(side: Query | Demonstration) -> str:
    """The text that is encoded, the same for both sides.

    NER, RE and ED: the sentence. EAE asks about one event of the sentence, so the event stands
    first, where no cut at the encoder's maximum length can lose it.
    """
    if side.trigger is None:
        return side.text
    return f"{side.trigger.type}: {side.trigger.span.text} | {side.text}"


KEYWORD_TOKENS = ("<Keyword>", "</Keyword>")
"""Around each gold span of a demonstration; tokens of their own in a trained encoder."""


def passage_text(demonstration: Demonstration, *, keywords: bool) -> str:
    """The text of a demonstration as it is encoded: `retrieval_text`, and with `keywords` each gold
    span in `KEYWORD_TOKENS` (the trigger of EAE too), spans that overlap or touch being one."""
    if not keywords:
        return retrieval_text(demonstration)
    tagged = replace(demonstration, text=with_keywords(demonstration))
    return retrieval_text(tagged)


def with_keywords(demonstration: Demonstration) -> str:
    """A demonstration's sentence with its gold spans in `KEYWORD_TOKENS`."""
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
    text, told, at = demonstration.text, [], 0
    for start, end in merged:
        told += [text[at:start], f"{opening} {text[start:end]} {closing}"]
        at = end
    return "".join([*told, text[at:]])


def text_key(text: str) -> str:
    """Two texts with the same key are the same text: white space and case do not count."""
    return " ".join(text.split()).casefold()


def serving(query: Query, partitions: Iterable[Partition]) -> list[Partition]:
    """The partitions whose demonstrations may answer `query`.

    Same task, and for EAE the same event type; and the labels (for EAE: the roles) that were
    looked for there equal the query's, contain them or are contained in them. One of the query's
    own schema name with equal labels serves alone.
    """
    event = query.trigger.type if query.trigger else None
    wanted = frozenset(query.labels)
    found = []
    for partition in partitions:
        if partition.task is not query.task or partition.event != event:
            continue
        labels = frozenset(partition.labels)
        if not labels or not wanted or not (labels <= wanted or wanted <= labels):
            continue
        if labels == wanted and partition.schema_name == query.schema:
            return [partition]
        found.append(partition)
    return found


def project(demonstration: Demonstration, query: Query) -> Demonstration:
    """The demonstration as if only the query's labels had been looked for."""
    if all(label in query.labels for label in demonstration.labels):
        return demonstration
    return replace(
        demonstration,
        labels=tuple(label for label in demonstration.labels if label in query.labels),
        items=tuple(item for item in demonstration.items if item.type in query.labels),
    )


def partition_key(demonstration: Demonstration) -> tuple[str, str, str, tuple[str, ...]]:
    """Equal for demonstrations of the same partition; its order is the order of the rows."""
    event = demonstration.trigger.type if demonstration.trigger else ""
    labels = tuple(sorted(set(demonstration.labels)))
    return str(demonstration.task), demonstration.schema, event, labels


def arrange(
    demonstrations: Sequence[Demonstration],
) -> tuple[list[Demonstration], tuple[Partition, ...]]:
    """The demonstrations sorted by partition (in the given order within each), and the partitions.

    Repeated demonstrations (the same task, schema, labels, text, items and trigger) are kept once.
    Where different ones share an id (two files whose rows are numbered), later ones get a suffix.
    """
    unique: dict[tuple[object, ...], Demonstration] = {}
    for d in demonstrations:
        unique.setdefault((d.task, d.schema, d.labels, d.text, d.items, d.trigger), d)
    rows = sorted(_named_apart(unique.values()), key=partition_key)
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


def _named_apart(demonstrations: Iterable[Demonstration]) -> Iterator[Demonstration]:
    taken: set[str] = set()
    for demonstration in demonstrations:
        name, number = demonstration.id, 1
        while name in taken:
            number += 1
            name = f"{demonstration.id}~{number}"
        taken.add(name)
        yield demonstration if number == 1 else replace(demonstration, id=name)
