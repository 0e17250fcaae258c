"""Documents into the database, each text once, and the work items that ask about them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from db.chunks import Chunker, add_chunks, whole
from db.models import documents, jobs, origins, work_items
from db.sql import insert_new, pieces
from db.types import storable
from ruie.errors import DatabaseError, UsageError
from ruie.records import Task


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document as its source has it. `external_id` is unique in a job; `line` counts from 1."""

    text: str
    external_id: str
    source: str | None = None
    line: int | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What became of the rows: len(rows) == added + known + len(duplicates)."""

    added: int
    """Rows that this job now has and had not."""
    known: int
    """Rows that an earlier, perhaps interrupted, run added from the same place (source, line)."""
    duplicates: tuple[int, ...]
    """Indexes of rows whose external_id another row of the job has: they were not added."""
    new_documents: int
    """Texts that the database had not seen in any job."""
    new_items: int
    """Work items made; fewer than added times tasks where a text came twice."""


def digest(text: str) -> str:
    """The SHA-256 of a text as it is stored, hex."""
    return hashlib.sha256(storable(text).encode()).hexdigest()


def enqueue_documents(
    conn: Connection,
    job_id: str,
    rows: Sequence[NewDocument],
    tasks: Sequence[Task],
    chunker: Chunker = whole,
) -> Enqueued:
    """Add documents with their origins, chunks and work items to a job. Safe to repeat.

    tasks: of NER, RE and ED; EAE items are made by the events that ED finds. Call it with a few
    hundred rows in a transaction. Raises DatabaseError where the job does not exist or has ended.
    """
    if Task.EAE in tasks:
        raise UsageError("EAE cannot be enqueued:", "it follows ED; enqueue ED.")
    state = conn.execute(select(jobs.c.state).where(jobs.c.id == job_id)).scalar()
    if state not in ("running", "paused"):
        raise DatabaseError(
            f"The job {job_id} {'is ' + state if state else 'does not exist'}.",
            "Documents can be added to a running or paused job.",
        )
    fresh, known, duplicates = _sort_out(conn, job_id, rows)
    texts = {digest(row.text): storable(row.text) for row in fresh}
    ids, new_documents = _store_texts(conn, texts)
    if fresh:
        conn.execute(
            insert_new(conn, origins),
            [
                {
                    "job_id": job_id,
                    "document_id": ids[digest(row.text)],
                    "external_id": row.external_id,
                    "source": row.source,
                    "line": row.line,
                    "metadata": None if row.metadata is None else dict(row.metadata),
                }
                for row in fresh
            ],
        )
    chunk_ids = add_chunks(conn, {ids[d]: text for d, text in texts.items()}, chunker)
    new_items = _add_items(conn, job_id, chunk_ids, tasks)
    return Enqueued(len(fresh), known, tuple(duplicates), new_documents, new_items)


def _sort_out(
    conn: Connection, job_id: str, rows: Sequence[NewDocument]
) -> tuple[list[NewDocument], int, list[int]]:
    """Rows to add, how many are already there, and the indexes of those that repeat an id."""
    places: dict[str, tuple[str | None, int | None]] = {}
    for part in pieces([storable(row.external_id) for row in rows]):
        for origin in conn.execute(
            select(origins.c.external_id, origins.c.source, origins.c.line).where(
                origins.c.job_id == job_id, origins.c.external_id.in_(part)
            )
        ):
            places[origin[0]] = (origin[1], origin[2])
    fresh, known, duplicates = [], 0, []
    for index, row in enumerate(rows):
        name, place = storable(row.external_id), (row.source, row.line)
        if name not in places:
            places[name] = place
            fresh.append(row)
        elif places[name] == place:
            known += 1
        else:
            duplicates.append(index)
    return fresh, known, duplicates


def _store_texts(conn: Connection, texts: Mapping[str, str]) -> tuple[dict[str, int], int]:
    """The documents' ids by digest, and how many were new."""
    # In one order everywhere: two that enqueue the same texts wait for, never block, each other.
    digests = sorted(texts)
    before = _document_ids(conn, digests)
    missing = [d for d in digests if d not in before]
    if not missing:
        return before, 0
    conn.execute(
        insert_new(conn, documents),
        [{"digest": d, "text": texts[d], "chars": len(texts[d])} for d in missing],
    )
    return before | _document_ids(conn, missing), len(missing)


def _document_ids(conn: Connection, digests: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in pieces(digests):
        query = select(documents.c.digest, documents.c.id).where(documents.c.digest.in_(part))
        found.update((row[0], row[1]) for row in conn.execute(query))
    return found


def _add_items(
    conn: Connection, job_id: str, chunk_ids: Sequence[int], tasks: Sequence[Task]
) -> int:
    if not chunk_ids or not tasks:
        return 0
    old = 0
    for part in pieces(chunk_ids):
        query = select(func.count()).where(
            work_items.c.job_id == job_id,
            work_items.c.chunk_id.in_(part),
            work_items.c.event_id.is_(None),
            work_items.c.task.in_(tasks),
        )
        old += conn.execute(query).scalar_one()
    conn.execute(
        insert_new(conn, work_items),
        [
            {"job_id": job_id, "chunk_id": chunk_id, "task": str(task)}
            for chunk_id in chunk_ids
            for task in tasks
        ],
    )
    return len(chunk_ids) * len(set(tasks)) - old
