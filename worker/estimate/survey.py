"""One pass over a corpus: how many calls it needs, which were paid for, and a sample of the rest.

Memory is bounded however large the corpus: what was seen is kept in a temporary file, and of the
questions only the sample.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import product

from sqlalchemy import Connection, Engine

from ruie.chunking import Chunker, context_of
from ruie.db.call_statistics import events_of
from ruie.db.engine import reading
from ruie.db.enqueue import digest
from ruie.db.jobs import NewInputError
from ruie.db.results import PaidExtraction, find_paid
from ruie.db.sql import pieces
from ruie.db.types import storable
from ruie.extractor import Extractor
from ruie.records import Query, Task
from ruie.schema import Schema
from ruie.worker.ingest.documents import KEPT_ERRORS, Read, in_chunks, repeated
from ruie.worker.ingest.seen import Seen

Place = tuple[int, int]
"""A text, by its number, and where a chunk of it begins."""
Asked = tuple[Query, Place]


class Sample:
    """At most `size` of the questions offered, each as likely as any other.

    Kept are those with the smallest hashes: the same corpus and seed give the same sample in
    whatever order it is read, and the tasks of one text are in it together.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._seed = seed.to_bytes(8, "big", signed=True)
        self._kept: list[tuple[int, int, Query]] = []
        self._offered = 0

    def offer(self, query: Query) -> None:
        """Perhaps keep this one."""
        self._offered += 1
        told = f"{query.text}\0{query.trigger or ''}".encode("utf-8", "surrogatepass")
        mark = hashlib.blake2b(told, digest_size=8, key=self._seed).digest()
        entry = (-int.from_bytes(mark, "big"), self._offered, query)
        if len(self._kept) < self._size:
            heapq.heappush(self._kept, entry)
        else:
            heapq.heappushpop(self._kept, entry)

    def queries(self) -> list[Query]:
        """Those that were kept."""
        return [query for _, _, query in sorted(self._kept, key=lambda entry: -entry[0])]


@dataclass(slots=True)
class Survey:
    """What the pass found. Calls are counted by task, EAE only where its events are known."""

    samples: dict[Task, Sample]
    documents: int = 0
    texts: int = 0
    """Documents without repetitions: each text is asked about once."""
    chunks: int = 0
    refused: int = 0
    errors: list[NewInputError] = field(default_factory=list)
    """The first of those refused."""
    calls: Counter[Task] = field(default_factory=Counter)
    """All that the job would have, those that were paid for included."""
    paid: Counter[Task] = field(default_factory=Counter)


def survey(
    read: Iterable[Read],
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
    """Go through everything that was read. Writes nothing but a temporary file."""
    found = Survey({task: Sample(sample, seed) for task in Task})
    with closing(Seen()) as seen:
        for chunk in in_chunks(read):
            asked: list[Asked] = []
            for text, told in _fresh(chunk, seen, found, context):
                ranges = chunker(text)
                found.chunks += len(ranges)
                for start, end in ranges:
                    place = (found.texts, start)
                    asked += [(query, place) for query in schema.queries(text[start:end], told)]
            with reading(engine) as conn:
                followed = _tally(conn, asked, schema, extractor, found)
                _tally(conn, followed, schema, extractor, found)
            progress(found.documents)
    return found


def _fresh(
    chunk: Sequence[Read], seen: Seen, found: Survey, context: str
) -> Iterator[tuple[str, str]]:
    """The texts that were not seen before, as the database will have them, with their contexts."""
    for row in chunk:
        if isinstance(row, NewInputError):
            _refuse(row, found)
        elif not seen.name(storable(row.external_id)):
            _refuse(repeated(row), found)
        else:
            found.documents += 1
            if seen.text(digest(row.text)):
                found.texts += 1
                yield storable(row.text), context_of(row.metadata, context)


def _refuse(error: NewInputError, found: Survey) -> None:
    found.refused += 1
    if len(found.errors) < KEPT_ERRORS:
        found.errors.append(error)


def _tally(
    conn: Connection, asked: Sequence[Asked], schema: Schema, extractor: Extractor, found: Survey
) -> list[Asked]:
    """Count the questions, and sample those that nobody paid for. Gives the questions about
    arguments that follow from the events that are known."""
    keys: dict[str, Query] = {}
    places: dict[str, list[Place]] = {}
    for query, place in asked:
        key = extractor.key(query)
        keys[key] = query
        places.setdefault(key, []).append(place)
    paid: dict[str, PaidExtraction] = {}
    for part in pieces(list(keys)):
        paid |= find_paid(conn, part)
    for key, query in keys.items():
        found.calls[query.task] += 1
        if key in paid:
            found.paid[query.task] += 1
        else:
            found.samples[query.task].offer(query)
    with_roles = [name for name, roles in schema.events.items() if roles]
    detections = [paid[key] for key, query in keys.items() if query.task is Task.ED and key in paid]
    known = events_of(conn, detections, with_roles)
    followed: list[Asked] = []
    met: set[tuple[int, str, int, int]] = set()
    for key, query in keys.items():
        for trigger, (number, start) in product(known.get(key, ()), places[key]):
            span = trigger.span
            event = (number, trigger.type, start + span.start, start + span.end)
            if span.grounded and event in met:
                continue  # of an overlap: its arguments are asked for in the first chunk alone
            met.add(event)
            about = schema.query(Task.EAE, query.text, trigger, query.context)
            followed.append((about, (number, start)))
    return followed
