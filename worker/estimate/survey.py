"""One pass over a corpus: how many calls it needs, which were paid for, and a sample of the rest.

Memory is bounded however large the corpus: what was seen is kept in a temporary file, and only a
sample of the queries in memory.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import product

from sqlalchemy import Connection, Engine

from ruie.chunking import Chunker, context_of
from ruie.db.call_statistics import detected_events
from ruie.db.engine import reading
from ruie.db.enqueue import digest
from ruie.db.jobs import NewInputError
from ruie.db.kept_answers import PaidExtraction, find_paid
from ruie.db.sql import pieces
from ruie.db.types import storable
from ruie.extractor import Extractor
from ruie.records import Query, Task
from ruie.schema import Schema
from ruie.worker.ingest.documents import DocumentOrError, in_groups, repeated_id
from ruie.worker.ingest.input_counter import InputCounter
from ruie.worker.ingest.seen import Seen

ChunkStart = tuple[int, int]
"""The number of a text, and the offset of a chunk in it."""


class Sample:
    """A uniform random sample of at most `size` of the queries offered.

    It keeps those with the smallest hashes: the same corpus and seed give the same sample in
    whatever order it is read, and all tasks of a text are in it or none.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._seed = seed.to_bytes(8, "big", signed=True)
        self._kept: list[tuple[int, int, Query]] = []
        self._offered = 0

    def offer(self, query: Query) -> None:
        """Keep it if its hash is among the smallest."""
        self._offered += 1
        content = f"{query.text}\0{query.trigger or ''}".encode("utf-8", "surrogatepass")
        rank = hashlib.blake2b(content, digest_size=8, key=self._seed).digest()
        entry = (-int.from_bytes(rank, "big"), self._offered, query)
        if len(self._kept) < self._size:
            heapq.heappush(self._kept, entry)
        else:
            heapq.heappushpop(self._kept, entry)

    def queries(self) -> list[Query]:
        """The sample."""
        return [query for _, _, query in sorted(self._kept, key=lambda entry: -entry[0])]


@dataclass(slots=True)
class Survey(InputCounter):
    """What the pass found. Calls are counted by task, EAE only where its events are known."""

    texts: int = 0
    """Distinct ones: each is asked about once."""
    chunks: int = 0
    calls: Counter[Task] = field(default_factory=Counter)
    """All that the job would make, including those that were paid for."""
    paid: Counter[Task] = field(default_factory=Counter)
    samples: dict[Task, Sample] = field(default_factory=dict)


def survey(
    rows: Iterable[DocumentOrError],
    schema: Schema,
    extractor: Extractor,
    engine: Engine,
    *,
    chunker: Chunker,
    context: str,
    sample: int,
    seed: int,
    progress: Callable[[int], None],
) -> Survey:
    """Go through all rows. Writes nothing but a temporary file."""
    result = Survey(samples={task: Sample(sample, seed) for task in Task})
    with closing(Seen()) as seen:
        for group in in_groups(rows):
            queries: list[tuple[Query, ChunkStart]] = []
            for text, added_context in _new_texts(group, seen, result, context):
                ranges = chunker(text)
                result.chunks += len(ranges)
                for start, end in ranges:
                    queries += [
                        (query, (result.texts, start))
                        for query in schema.queries(text[start:end], added_context)
                    ]
            with reading(engine) as conn:
                following = _count_queries(conn, queries, schema, extractor, result)
                _count_queries(conn, following, schema, extractor, result)
            progress(result.documents)
    return result


def _new_texts(
    rows: Iterable[DocumentOrError], seen: Seen, result: Survey, context: str
) -> Iterator[tuple[str, str]]:
    """Texts that were not seen before, as the database will store them, with their contexts."""
    for row in rows:
        if isinstance(row, NewInputError):
            result.refuse([row])
        elif not seen.add_id(row.external_id):
            result.refuse([repeated_id(row)])
        else:
            result.documents += 1
            if seen.add_text(digest(row.text)):
                result.texts += 1
                yield storable(row.text), context_of(row.metadata, context)


def _count_queries(
    conn: Connection,
    queries: Iterable[tuple[Query, ChunkStart]],
    schema: Schema,
    extractor: Extractor,
    result: Survey,
) -> list[tuple[Query, ChunkStart]]:
    """Count the queries, and sample those that were not paid for. Returns the EAE queries that
    follow from the events that are known."""
    by_key: dict[str, Query] = {}
    starts: dict[str, list[ChunkStart]] = {}
    for query, chunk_start in queries:
        key = extractor.key(query)
        by_key[key] = query
        starts.setdefault(key, []).append(chunk_start)
    paid: dict[str, PaidExtraction] = {}
    for keys in pieces(list(by_key)):
        paid |= find_paid(conn, keys)
    for key, query in by_key.items():
        result.calls[query.task] += 1
        if key in paid:
            result.paid[query.task] += 1
        else:
            result.samples[query.task].offer(query)
    with_roles = [name for name, roles in schema.events.items() if roles]
    detections = [
        paid[key] for key, query in by_key.items() if query.task is Task.ED and key in paid
    ]
    triggers = detected_events(conn, detections, with_roles)
    following: list[tuple[Query, ChunkStart]] = []
    events: set[tuple[int, str, int, int]] = set()
    for key, query in by_key.items():
        for trigger, (text, start) in product(triggers.get(key, ()), starts[key]):
            span = trigger.span
            event = (text, trigger.type, start + span.start, start + span.end)
            if span.grounded and event in events:
                continue  # in an overlap: its arguments are asked for in the first chunk only
            events.add(event)
            eae = schema.query(Task.EAE, query.text, trigger, query.context)
            following.append((eae, (text, start)))
    return following
