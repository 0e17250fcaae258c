"""Chunks: the parts of documents, each with calls of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, bindparam, func, select

from ruie.chunking import Range, context_of
from ruie.db.models import chunks, origins
from ruie.db.sql import pieces

Chunker = Callable[[str], Sequence[Range]]
"""Divides a text into character ranges, its chunks."""


def whole(text: str) -> list[Range]:
    """The text as one chunk."""
    return [(0, len(text))]


_OTHERS = select(chunks.c.char_start, chunks.c.char_end).where(
    chunks.c.document_id == bindparam("document"),
    chunks.c.char_start < bindparam("end"),
    chunks.c.char_end > bindparam("start"),
)


def other_chunks(conn: Connection, document_id: int, chunk: Range) -> list[Range]:
    """The ranges of a document's other chunks that overlap this one."""
    values = {"document": document_id, "start": chunk[0], "end": chunk[1]}
    return [(s, e) for s, e in conn.execute(_OTHERS, values) if (s, e) != chunk]


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
