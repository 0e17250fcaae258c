"""Chunks: the parts of documents, each with calls of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Integer, Select, func, select

from ruie.chunking import Range, context_of
from ruie.db.bulk import Bulk
from ruie.db.models import chunks, origins
from ruie.db.sql import pieces

Chunker = Callable[[str], Sequence[Range]]
"""Divides a text into character ranges, its chunks."""


def whole(text: str) -> list[Range]:
    """The text as one chunk."""
    return [(0, len(text))]


def _others(number: Any, document: Any, start: Any, end: Any) -> Select[Any]:
    return select(number, chunks.c.char_start, chunks.c.char_end).where(
        chunks.c.document_id == document, chunks.c.char_start < end, chunks.c.char_end > start
    )


_COLUMNS = {"number": Integer(), "document": chunks.c.document_id.type,
            "chunk_start": Integer(), "chunk_end": Integer()}  # fmt: skip  # of one table
_OTHERS = Bulk.alike(_COLUMNS, _others)


def other_chunks(conn: Connection, places: Sequence[tuple[int, Range]]) -> list[list[Range]]:
    """For each place, a document (its id) with one of its chunks, the ranges of the document's
    other chunks that overlap it."""
    others: list[list[Range]] = [[] for _ in places]
    rows = [(number, document, *chunk) for number, (document, chunk) in enumerate(places)]
    for row in _OTHERS.read(conn, rows):
        number, start, end = tuple(row)
        if (start, end) != places[number][1]:
            others[number].append((start, end))
    return others


def contexts(conn: Connection, job_id: str, documents: Sequence[int], key: str) -> dict[int, str]:
    """The values of the metadata key `key` by document; of several origins, the first's."""
    values: dict[int, str] = {}
    for part in pieces(documents):
        first = (
            select(func.min(origins.c.id))
            .where(origins.c.job_id == job_id, origins.c.document_id.in_(part))
            .group_by(origins.c.document_id)
        )
        query = select(origins.c.document_id, origins.c.metadata).where(origins.c.id.in_(first))
        values.update((row[0], context_of(row[1], key)) for row in conn.execute(query))
    return values
