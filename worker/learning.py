"""From reviews to demonstrations: what people corrected is shown to the model from then on, and a
job's documents are asked again where their prompts change by it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import Engine, Select, func, select

from ruie.annotations import demonstrations as demonstrations_of
from ruie.chunking import Chunker
from ruie.db import demonstrations, jobs, reviews
from ruie.db.engine import open_engine, reading
from ruie.db.models import documents, origins
from ruie.db.sql import pieces
from ruie.errors import UsageError
from ruie.formats.jsonl import from_body
from ruie.formats.row import AnnotatedRow
from ruie.lengths import shortened
from ruie.modes import mode_of
from ruie.prompts import PROMPT_VERSION
from ruie.records import Demonstration, Item, Span, Task
from ruie.schema import Schema
from ruie.settings import Settings, settings
from ruie.worker.ingest.documents import DocumentOrError
from ruie.worker.ingest.enqueue import Enqueued, ProgressCallback, enqueue
from ruie.worker.ingest.sources.row_source import RowSource
from ruie.worker.tracing.opening import tracer

if TYPE_CHECKING:
    from ruie.worker.estimate.types import Estimate

READ_AT_A_TIME = 200


@dataclass(frozen=True, slots=True)
class Lesson:
    """What can be learned for a job's schema. version: of the set in force, None if there is none.
    new: whether the rows differ from it."""

    job: jobs.Job
    reviews: int
    rows: tuple[Demonstration, ...]
    version: int | None
    new: bool

    @property
    def chunker(self) -> Chunker:
        """How the job divides a text."""
        return chunker_of(self.job)


def chunker_of(job: jobs.Job) -> Chunker:
    """How a job divides a text."""
    return job.settings.chunking or Chunker()


def prepare(engine: Engine, job: jobs.Job) -> Lesson:
    """The demonstrations that all reviews in force under schemas of this name make. Raises
    `UsageError` where there is none."""
    with reading(engine) as conn:
        every = [r for r in reviews.current_reviews(conn) if r.schema_name == job.schema_name]
        current = demonstrations.in_force(conn, job.schema_name)
    if not every:
        raise UsageError(
            f"There is no review of the schema {job.schema_name} to learn from.",
            f"`ruie review sample {job.id}` writes documents that are worth annotating.",
        )
    chunker = chunker_of(job)
    rows: list[Demonstration] = []
    for review in every:
        schema = Schema.from_body(review.schema_body)
        for part in divided(from_body(review.body), chunker):
            rows += demonstrations_of(part, schema)
    new = current is None or current.digest != demonstrations.digest_of(rows)
    return Lesson(job, len(every), tuple(rows), current.id if current else None, new)


def learned_rows(schema_name: str) -> list[Demonstration]:
    """What was learned for a schema, in the settings' database. Raises `UsageError` where nothing
    was."""
    engine = open_engine(settings().database_url)
    try:
        with reading(engine) as conn:
            current = demonstrations.in_force(conn, schema_name)
            rows = demonstrations.read(conn, [current.id] if current else [])
    finally:
        engine.dispose()
    if not rows:
        raise UsageError(
            f"Nothing was learned for a schema {schema_name}.", "`ruie learn JOB` does it."
        )
    return [row.demonstration for row in rows]


def store(engine: Engine, lesson: Lesson) -> int:
    """Put it in force for all workers, from their next batches on; returns its version."""
    job = lesson.job
    with engine.begin() as conn:
        return demonstrations.store(conn, lesson.rows, job.id, learned_for=job.schema_name)


def divided(row: AnnotatedRow, chunker: Chunker) -> Iterator[AnnotatedRow]:
    """A long text's annotation as that of its chunks, each with what lies wholly in it."""
    ranges = chunker(row.text)
    if len(ranges) == 1:
        yield row
        return
    for number, (start, end) in enumerate(ranges, start=1):
        gold: dict[Task, tuple[Item, ...]] = {}
        arguments: tuple[tuple[Item, ...], ...] = ()
        for task, items in row.gold.items():
            here = [n for n, item in enumerate(items) if _within(item, start, end)]
            gold[task] = tuple(_moved(items[n], start) for n in here)
            if task is Task.ED:
                arguments = tuple(
                    tuple(_moved(a, start) for a in row.arguments[n] if _within(a, start, end))
                    for n in here
                )
        yield AnnotatedRow(f"{row.id}.{number}", row.text[start:end], gold, arguments)


def _within(item: Item, start: int, end: int) -> bool:
    return all(start <= span.start and span.end <= end for span in item.spans)


def _moved(item: Item, by: int) -> Item:
    spans = (Span(s.text, s.start - by, s.end - by, s.grounding) for s in item.spans)
    return replace(item, spans=tuple(spans))


def documents_of(engine: Engine, job_id: str, max_chars: int) -> Iterator[DocumentOrError]:
    """A job's documents, as they were read."""
    return RowSource(_rows(engine, job_id), max_chars).read()


def _origins(job_id: str) -> Select[tuple[int]]:
    return (
        select(origins.c.id)
        .join(documents, documents.c.id == origins.c.document_id)
        .where(origins.c.job_id == job_id, documents.c.forgotten_at.is_(None))
    )


def _fingerprint(engine: Engine, job_id: str) -> str:
    """Another one where the job has other documents by now."""
    listed = _origins(job_id).subquery()
    with reading(engine) as conn:
        count, last = conn.execute(select(func.count(), func.max(listed.c.id))).one()
    return f"{count} documents to {last}"


def _rows(engine: Engine, job_id: str) -> Iterator[dict[str, object]]:
    with reading(engine) as conn:
        numbers = list(conn.scalars(_origins(job_id).order_by(origins.c.id)))
    for some in pieces(numbers, READ_AT_A_TIME):
        query = (
            select(origins.c.external_id, origins.c.metadata, documents.c.text)
            .join(documents, documents.c.id == origins.c.document_id)
            .where(origins.c.id.in_(some))
            .order_by(origins.c.id)
        )
        with reading(engine) as conn:
            rows = conn.execute(query).all()
        for row in rows:
            yield {**(row.metadata or {}), "id": row.external_id, "text": row.text}


def cost(
    config: Settings,
    engine: Engine,
    lesson: Lesson,
    progress: Callable[[int], None] = lambda _: None,
) -> Estimate:
    """What asking the job's documents again would cost, by the rules of `ruie estimate`. progress:
    called with the number of documents read."""
    from ruie.worker.estimate.estimate import estimate, first_model  # it loads the encoder

    job = lesson.job
    own: list[Demonstration] = []
    if job.demonstration_set is not None:
        with reading(engine) as conn:
            rows = demonstrations.read(conn, [job.demonstration_set])
        own = [row.demonstration for row in rows]
    return estimate(
        config,
        engine,
        documents_of(engine, job.id, config.max_document_chars),
        Schema.from_body(job.schema_body),
        job.model or config.llm_model or first_model(config),
        job.settings.decoding,
        chunker=lesson.chunker,
        context=job.settings.context,
        mode=mode_of(job.settings.decoding.parameters),
        added=[*own, *lesson.rows],
        progress=progress,
    )


def ask_again(
    engine: Engine,
    job: jobs.Job,
    version: int,
    config: Settings,
    progress: ProgressCallback = lambda _: None,
) -> Enqueued:
    """A new job about the same documents, with the same settings. What is asked as before is not
    paid for again. Where an earlier call was interrupted, this one continues in its job, unless
    something else was learned since: then that job is cancelled."""
    schema = Schema.from_body(job.schema_body)
    new = jobs.NewJob(
        name=shortened(f"{job.name}, version {version}"),
        schema_name=job.schema_name,
        schema_body=job.schema_body,
        schema_digest=job.schema_digest,
        model=job.model,
        endpoint=job.endpoint,
        prompt_version=PROMPT_VERSION,
        settings=job.settings,
        priority=job.priority,
        cap_nusd=job.cap_nusd,
        demonstration_set=job.demonstration_set,
        enqueue_key=hashlib.sha256(f"learn {job.id}".encode()).hexdigest(),
    )
    fingerprint = f"version {version}, {_fingerprint(engine, job.id)}"
    name = f"documents of {job.id}"
    sources = [RowSource(_rows(engine, job.id), config.max_document_chars, name, fingerprint)]
    chunks, traced = chunker_of(job), tracer(config)
    return enqueue(engine, new, sources, schema.tasks, chunks, progress, traced)
