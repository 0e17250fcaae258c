"""Enqueueing and status as Python calls, for a scheduler or a notebook.

    from worker.client import Client
    job = Client().enqueue([{"id": "1", "text": "Crude fell 2 %"}], schema="oil.yaml")

Only the database is needed: the coordinator finds the work there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from db import jobs, migrate, queue
from db.engine import open_engine, reading
from ruie.extractor import Decoding
from ruie.prompts import PROMPT_VERSION
from ruie.schema import Schema
from ruie.settings import Settings, settings
from worker.ingest import Read, document_of, find_sources, read_sources

CHUNK = 500
"""Documents in one transaction."""


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What one enqueueing did. `refused` counts reasons; `errors` holds the first of them."""

    job_id: str
    documents: int
    """Documents that the job has, those of an earlier try of the same enqueueing included."""
    new_documents: int
    """Of these, texts that the database had not seen before."""
    items: int
    """Work items made; events make more of them later."""
    refused: int
    errors: tuple[jobs.NewInputError, ...]


class Client:
    """Speaks to the database of the settings. Raises `UnavailableError`, `DatabaseError`."""

    def __init__(self, config: Settings | None = None, engine: Engine | None = None) -> None:
        self.config = config or settings()
        self.engine = engine or open_engine(self.config.database_url)
        migrate.check(self.engine)

    def enqueue(
        self,
        rows: Iterable[Mapping[str, Any]],
        schema: Schema | str | Path,
        *,
        name: str = "",
        model: str = "",
    ) -> Enqueued:
        """Enqueue rows with `text`, perhaps `id`, and anything else as metadata."""
        limit = self.config.max_document_chars
        read = (document_of(dict(r), None, i, limit) for i, r in enumerate(rows, start=1))
        return self.enqueue_documents(read, _schema(schema), name=name, model=model)

    def enqueue_files(
        self,
        sources: Sequence[str | Path],
        schema: Schema | str | Path,
        *,
        name: str = "",
        model: str = "",
        progress: Callable[[int], None] = lambda _: None,
    ) -> Enqueued:
        """Enqueue files and folders. Raises `UsageError` before anything is written."""
        loaded = _schema(schema)
        files = find_sources(sources)
        read = read_sources(files, self.config.max_document_chars)
        title = name or ", ".join(path.name for path in files[:3])
        return self.enqueue_documents(read, loaded, name=title, model=model, progress=progress)

    def enqueue_documents(
        self,
        read: Iterable[Read],
        schema: Schema,
        *,
        name: str,
        model: str,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Enqueued:
        """Make a job and give it everything that was read."""
        with self.engine.begin() as conn:
            job_id = jobs.create_job(conn, self._new_job(schema, name, model))
        try:
            done = self._fill(job_id, read, schema, progress)
        except BaseException:
            # half a corpus must not be worked off as if it were the whole
            with self.engine.begin() as conn:
                jobs.set_job_state(conn, job_id, "cancelled", "enqueueing was interrupted")
            raise
        with self.engine.begin() as conn:
            jobs.finish_enqueueing(conn, job_id)
        return done

    def _fill(
        self, job_id: str, read: Iterable[Read], schema: Schema, progress: Callable[[int], None]
    ) -> Enqueued:
        total: Counter[str] = Counter()
        kept: list[jobs.NewInputError] = []
        for chunk in _chunks(read):
            documents = [row for row in chunk if isinstance(row, queue.NewDocument)]
            errors = [row for row in chunk if isinstance(row, jobs.NewInputError)]
            with self.engine.begin() as conn:
                done = queue.enqueue_documents(conn, job_id, documents, schema.tasks)
                errors += [_repeated(documents[i]) for i in done.duplicates]
                jobs.add_input_errors(conn, job_id, errors)
            total["documents"] += done.added + done.known
            total["new"] += done.new_documents
            total["items"] += done.new_items
            total["refused"] += len(errors)
            kept += errors[: max(0, 20 - len(kept))]
            progress(total["documents"])
        return Enqueued(
            job_id, total["documents"], total["new"], total["items"], total["refused"], tuple(kept)
        )

    def _new_job(self, schema: Schema, name: str, model: str) -> jobs.NewJob:
        config = self.config
        return jobs.NewJob(
            name=name or schema.name,
            schema_name=schema.name,
            schema_body=schema.body(),
            schema_digest=schema.digest,
            model=model or config.llm_model,
            endpoint=config.llm_base_url,
            bundle_digest="",
            prompt_version=PROMPT_VERSION,
            settings=decoding(config).body(),
        )

    def progress(self, job_id: str) -> jobs.Progress:
        """How far a job is."""
        with reading(self.engine) as conn:
            return jobs.progress(conn, job_id)

    def jobs(self) -> list[jobs.Job]:
        """All jobs, the newest first."""
        with reading(self.engine) as conn:
            return jobs.list_jobs(conn)


def decoding(config: Settings) -> Decoding:
    """How the settings shape an answer."""
    return Decoding(
        demonstrations=config.demonstrations,
        max_tokens=config.llm_max_tokens,
        prompt_tokens=config.prompt_tokens,
        form=config.output_form,
        stop=tuple(config.llm_stop),
    )


def _schema(schema: Schema | str | Path) -> Schema:
    return schema if isinstance(schema, Schema) else Schema.load(schema)


def _chunks(read: Iterable[Read]) -> Iterator[list[Read]]:
    chunk: list[Read] = []
    for row in read:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _repeated(row: queue.NewDocument) -> jobs.NewInputError:
    return jobs.NewInputError(
        row.source, row.line, f"repeats the id '{row.external_id}'", row.text[:120]
    )
