"""Documents into the database, each text once, and the work items that ask about them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from ruie.chunking import context_of
from ruie.db import staging
from ruie.db.chunks import Chunker, whole
from ruie.db.corpora import Asking, origins_of
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
    """What became of the rows: len(rows) == added + known + unchanged + len(duplicates)."""

    added: int
    """Rows that this job now has and had not."""
    known: int
    """Rows that an earlier, perhaps interrupted, run of this job added from the same place (source,
    line) with the same text."""
    duplicates: tuple[int, ...]
    """Indexes of rows whose external_id another row of the job has: they were not added."""
    new_documents: int
    """Texts that the database had not seen in any job."""
    new_items: int
    """Work items made; fewer than added times tasks where a text came twice."""
    changed: int = 0
    """Of those added, rows whose id the corpus had with another text, or was asked otherwise."""
    unchanged: int = 0
    """Rows that the corpus has, and has been asked about in the same way: they were not added."""


@dataclass(slots=True)
class Sorted:
    """Rows by what becomes of them; lists of their indexes but for the last two."""

    fresh: list[int] = field(default_factory=list)
    known: int = 0
    duplicates: list[int] = field(default_factory=list)
    superseded: list[int] = field(default_factory=list)
    """Ids of origins whose place in the corpus fresh rows take."""
    seen: list[staging.Row] = field(default_factory=list)
    """Of rows that the corpus has: the origin's id, and source, line, metadata as they are now."""


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

    tasks: of NER, RE and ED; EAE items are made by the events that ED finds. Call it with some
    thousand rows in a transaction. Raises DatabaseError where the job does not exist or has ended.
    """
    if Task.EAE in tasks:
        raise UsageError("EAE cannot be enqueued:", "it follows ED; enqueue ED.")
    asking = _asking(conn, job_id)
    digests = [digest(row.text) for row in rows]
    found = sort_out(conn, asking, rows, digests)
    new_documents = new_items = 0
    if found.fresh or found.seen:
        with staging.staging(conn):
            staging.touch_origins(conn, job_id, found.seen)
            _supersede(conn, found.superseded)
            if found.fresh:
                numbers = {
                    d: n for n, d in enumerate(dict.fromkeys(digests[i] for i in found.fresh))
                }
                texts = {digests[i]: storable(rows[i].text) for i in found.fresh}
                divided = [list(chunker(texts[d])) for d in numbers]
                new_documents = staging.add_documents(conn, texts, divided)
                staging.add_origins(
                    conn, job_id, asking.corpus,
                    (_origin(numbers[digests[i]], rows[i]) for i in found.fresh),
                )  # fmt: skip  # of which texts
                new_items = staging.add_items(conn, job_id, tasks)
    return EnqueueCounts(
        added=len(found.fresh),
        known=found.known,
        duplicates=tuple(found.duplicates),
        new_documents=new_documents,
        new_items=new_items,
        changed=len(found.superseded),
        unchanged=len(found.seen),
    )


def sort_out(
    conn: Connection, asking: Asking, rows: Sequence[NewDocument], digests: Sequence[str]
) -> Sorted:
    """What is to become of rows, by what the job and its corpus have under their ids."""
    names = [storable(row.external_id) for row in rows]
    own, current = origins_of(conn, asking, names)
    taken = {name: (o.source, o.line, o.digest) for name, o in own.items()}
    found = Sorted()
    for index, (name, row, text) in enumerate(zip(names, rows, digests, strict=True)):
        here = (_source(row), row.line, text)
        if name in taken:
            if taken[name] == here:
                found.known += 1
            else:
                found.duplicates.append(index)
            continue
        taken[name] = here
        old = current.get(name)
        if old is not None and _same(asking, old, row, text):
            found.seen.append((old.id, _source(row), row.line, row.metadata))
            continue
        if old is not None:
            found.superseded.append(old.id)
        found.fresh.append(index)
    return found


def _same(asking: Asking, old: Row[Any], row: NewDocument, text: str) -> bool:
    """Whether an answer about the old one is the answer about the row."""
    key = asking.context
    told = not key or context_of(old.metadata, key) == context_of(row.metadata, key)
    return old.asked and not asking.forced and old.digest == text and told


def _asking(conn: Connection, job_id: str) -> Asking:
    job = conn.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    if job is None or job.state not in ("running", "paused"):
        raise DatabaseError(
            f"The job {job_id} {'is ' + job.state if job else 'does not exist'}.",
            "Documents can be added to a running or paused job.",
        )
    if job.corpus is not None and conn.dialect.name == "postgresql":
        # Two jobs at once on one corpus: what one finds new, the other must find there.
        conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(job.corpus, 0))))
    context = JobSettings.from_body(job.settings).context
    return Asking(job_id, job.corpus, job.question, job.forced, context)


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
