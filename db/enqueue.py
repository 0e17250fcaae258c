"""Adding documents to a job: each text is stored once, with a work item for each chunk and task."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from ruie.chunking import context_of
from ruie.db import review_records, staging
from ruie.db.chunks import Chunker, whole
from ruie.db.corpora import CorpusJob, origins_of
from ruie.db.forget import forgotten
from ruie.db.job_settings import JobSettings
from ruie.db.models import jobs, origins
from ruie.db.sql import pieces
from ruie.db.types import storable, utcnow
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
class EnqueueCounts:
    """What was done with the rows: each is added, known, unchanged, a duplicate or forgotten."""

    added: int
    """Rows that are new in this job."""
    known: int
    """Rows that an earlier, perhaps interrupted, run of this job added from the same place (source,
    line) with the same text."""
    duplicates: tuple[int, ...]
    """Indexes of rows whose external_id another row of the job has: they were not added."""
    new_documents: int
    """Texts that were new in the database."""
    new_items: int
    """New work items; fewer than added times tasks where a text came twice."""
    changed: int = 0
    """Of those added, rows that the corpus had with another text, question or context."""
    unchanged: int = 0
    """Rows that the corpus already has, processed with the same question: they were not added."""
    forgotten: tuple[int, ...] = ()
    """Indexes of rows whose text is to be forgotten (db/forget.py): they were not added."""


@dataclass(slots=True)
class SortedRows:
    """Rows by what is to be done with them, as indexes, except in the last two lists."""

    added: list[int] = field(default_factory=list)
    known: int = 0
    duplicates: list[int] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    superseded: list[int] = field(default_factory=list)
    """Ids of the corpus's origins that added rows replace."""
    unchanged: list[staging.Row] = field(default_factory=list)
    """Of rows that the corpus has: the origin's id, and its current source, line and metadata."""


def digest(text: str) -> str:
    """The SHA-256 of a text as it is stored, hex."""
    return hashlib.sha256(storable(text).encode()).hexdigest()


def enqueue_documents(
    conn: Connection,
    job_id: str,
    rows: Sequence[NewDocument],
    tasks: Sequence[Task],
    chunker: Chunker = whole,
) -> EnqueueCounts:
    """Add documents with their origins, chunks and work items to a job. Safe to repeat.

    tasks: NER, RE, ED; EAE items are made for the events that ED detects. Call it with some
    thousand rows in a transaction. Raises DatabaseError where the job does not exist or has ended.
    """
    if Task.EAE in tasks:
        raise UsageError("EAE cannot be enqueued:", "it follows ED; enqueue ED.")
    schema = conn.scalar(select(jobs.c.schema_digest).where(jobs.c.id == job_id)) or ""
    review_records.lock(conn, schema, shared=True)
    corpus_job = _corpus_job(conn, job_id)
    digests = [digest(row.text) for row in rows]
    sorted_rows = sort_rows(conn, corpus_job, rows, digests)
    new_documents = new_items = 0
    if sorted_rows.added or sorted_rows.unchanged:
        with staging.staging(conn):
            staging.touch_origins(conn, job_id, sorted_rows.unchanged)
            _supersede(conn, sorted_rows.superseded)
            if sorted_rows.added:
                numbers = {
                    d: n for n, d in enumerate(dict.fromkeys(digests[i] for i in sorted_rows.added))
                }
                texts = {digests[i]: storable(rows[i].text) for i in sorted_rows.added}
                divided = [list(chunker(texts[d])) for d in numbers]
                new_documents = staging.add_documents(conn, texts, divided)
                staging.add_origins(
                    conn, job_id, corpus_job.corpus,
                    (_origin(numbers[digests[i]], rows[i]) for i in sorted_rows.added),
                )  # fmt: skip  # of which texts
                new_items = staging.add_items(conn, job_id, tasks)
                review_records.show_in(conn, schema, staging.STORED)
    return EnqueueCounts(
        added=len(sorted_rows.added),
        known=sorted_rows.known,
        duplicates=tuple(sorted_rows.duplicates),
        forgotten=tuple(sorted_rows.forgotten),
        new_documents=new_documents,
        new_items=new_items,
        changed=len(sorted_rows.superseded),
        unchanged=len(sorted_rows.unchanged),
    )


def sort_rows(
    conn: Connection, corpus_job: CorpusJob, rows: Sequence[NewDocument], digests: Sequence[str]
) -> SortedRows:
    """Compare rows with what the job and its corpus have under their ids."""
    ids = [storable(row.external_id) for row in rows]
    own, current = origins_of(conn, corpus_job, ids)
    taken = {id_: (o.source, o.line, o.digest) for id_, o in own.items()}
    sorted_rows = SortedRows()
    unwanted = forgotten(conn, digests)
    for index, (id_, row, text) in enumerate(zip(ids, rows, digests, strict=True)):
        if text in unwanted:
            sorted_rows.forgotten.append(index)
            continue
        here = (_source(row), row.line, text)
        if id_ in taken:
            if taken[id_] == here:
                sorted_rows.known += 1
            else:
                sorted_rows.duplicates.append(index)
            continue
        taken[id_] = here
        old = current.get(id_)
        if old is not None and _same(corpus_job, old, row, text):
            sorted_rows.unchanged.append((old.id, _source(row), row.line, row.metadata))
            continue
        if old is not None:
            sorted_rows.superseded.append(old.id)
        sorted_rows.added.append(index)
    return sorted_rows


def _same(corpus_job: CorpusJob, old: Row[Any], row: NewDocument, text: str) -> bool:
    """Whether the old origin's results are those of the row."""
    key = corpus_job.context
    same_context = not key or context_of(old.metadata, key) == context_of(row.metadata, key)
    return old.processed and not corpus_job.again and old.digest == text and same_context


def _corpus_job(conn: Connection, job_id: str) -> CorpusJob:
    job = conn.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    if job is None or job.state not in ("running", "paused"):
        raise DatabaseError(
            f"The job {job_id} {'is ' + job.state if job else 'does not exist'}.",
            "Documents can be added to a running or paused job.",
        )
    if job.corpus is not None and conn.dialect.name == "postgresql":
        # Of two jobs at once on one corpus, the second must see what the first one adds.
        conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(job.corpus, 0))))
    context = JobSettings.from_body(job.settings).context
    return CorpusJob(job_id, job.corpus, job.question, job.forced or job.refreshed, context)


def _origin(text: int, row: NewDocument) -> staging.Row:
    return text, storable(row.external_id), _source(row), row.line, row.metadata


def _source(row: NewDocument) -> str | None:
    return None if row.source is None else storable(row.source)


def _supersede(conn: Connection, ids: Sequence[int]) -> None:
    for part in pieces(ids):
        conn.execute(
            update(origins)
            .where(origins.c.id.in_(part))
            .values(state="superseded", changed_at=utcnow())
        )
