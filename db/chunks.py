"""Chunks: the parts of documents that calls see, and what two of them have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, Table, bindparam, func, select, update

from db.models import chunks, entities, events, origins, relations
from db.sql import insert_new, pieces
from ruie.chunking import Range, context_of

Chunker = Callable[[str], Sequence[Range]]
"""The character ranges of a text that are asked about, each in a call of its own."""

RECORDS: tuple[Table, ...] = (entities, relations, events)


def whole(text: str) -> list[Range]:
    """The text as one chunk."""
    return [(0, len(text))]


def add_chunks(conn: Connection, texts: Mapping[int, str], chunker: Chunker = whole) -> list[int]:
    """The ids of the chunks of documents (texts, as stored, by document id), made where they are
    not yet there; in `texts`' order, then by place."""
    wanted = {document: list(chunker(text)) for document, text in texts.items()}
    # A document that another job divided otherwise: its records may now have equals elsewhere.
    divided = [document for document, ranges in wanted.items() if len(ranges) > 1]
    before = _ids(conn, divided)
    anew = {d for d, _, _ in before} & {
        d for d in divided if any((d, *r) not in before for r in wanted[d])
    }
    # In one order everywhere: two that enqueue the same texts wait for, never block, each other.
    rows = [
        {
            "document_id": document,
            "ordinal": ordinal,
            "char_start": start,
            "char_end": end,
            "digest": hashlib.sha256(texts[document][start:end].encode()).hexdigest(),
        }
        for document in sorted(wanted)
        for ordinal, (start, end) in enumerate(wanted[document])
    ]
    for some in pieces(rows):
        conn.execute(insert_new(conn, chunks), list(some))
    for part in pieces(sorted(anew)):
        for table in RECORDS:
            conn.execute(update(table).where(table.c.document_id.in_(part)).values(shared=True))
    found = _ids(conn, list(wanted))
    return [found[document, *r] for document, ranges in wanted.items() for r in ranges]


def _ids(conn: Connection, documents: Sequence[int]) -> dict[tuple[int, int, int], int]:
    found = {}
    for part in pieces(documents):
        query = select(
            chunks.c.document_id, chunks.c.char_start, chunks.c.char_end, chunks.c.id
        ).where(chunks.c.document_id.in_(part))
        for document, start, end, chunk in conn.execute(query):
            found[document, start, end] = chunk
    return found


_OTHERS = select(chunks.c.char_start, chunks.c.char_end).where(
    chunks.c.document_id == bindparam("document"),
    chunks.c.char_start < bindparam("end"),
    chunks.c.char_end > bindparam("start"),
)


def other_chunks(conn: Connection, document_id: int, chunk: Range) -> list[Range]:
    """The ranges of a document's chunks that have characters of this one, itself left out."""
    values = {"document": document_id, "start": chunk[0], "end": chunk[1]}
    return [(s, e) for s, e in conn.execute(_OTHERS, values) if (s, e) != chunk]


def contexts(conn: Connection, job_id: str, documents: Sequence[int], key: str) -> dict[int, str]:
    """What the documents' metadata say under `key`, by document; of several origins in a job, the
    first."""
    found: dict[int, str] = {}
    for part in pieces(documents):
        first = (
            select(func.min(origins.c.id))
            .where(origins.c.job_id == job_id, origins.c.document_id.in_(part))
            .group_by(origins.c.document_id)
        )
        query = select(origins.c.document_id, origins.c.metadata).where(origins.c.id.in_(first))
        found.update((row[0], context_of(row[1], key)) for row in conn.execute(query))
    return found
