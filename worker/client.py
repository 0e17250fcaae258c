"""Enqueueing and status as Python calls, for a scheduler or a notebook.

    from worker.client import Client
    job = Client().enqueue([{"id": "1", "text": "Crude fell 2 %"}], schema="oil.yaml")

Only the database is needed: the coordinator finds the work there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from sqlalchemy import Engine

from db import jobs, migrate, queue
from db.engine import open_engine, reading
from db.spend import to_nusd
from ruie.chunking import Chunker
from ruie.errors import UsageError
from ruie.extractor import Decoding
from ruie.prompts import PROMPT_VERSION
from ruie.schema import Schema
from ruie.settings import Settings, settings
from worker.ingest import (
    Read,
    in_chunks,
    repeated,
)
from worker.prices import price_of
from worker.sources import find_sources, read_sources
from worker.sources.formats import mapped
from worker.sources.frames import rows_of
from worker.sources.mapping import DEFAULT
from worker.sources.mapping import Mapping as Columns

if TYPE_CHECKING:
    from worker.estimate import Estimate


class Options(TypedDict, total=False):
    """How a job is done, where it is not as the settings say."""

    name: str
    model: str
    cap_usd: float | None
    """The most it may cost: it pauses before a call that could cost more."""
    priority: Literal["live", "normal", "backfill"]
    """Its share of a quota while others wait for it too: 16, 4 or 1."""
    force: bool
    """Ask again what was answered before."""
    context: str
    """The metadata's key whose value is told with each chunk, such as `title`."""


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
        rows: Any,
        schema: Schema | str | Path,
        **options: Unpack[Options],
    ) -> Enqueued:
        """Enqueue rows with `text`, perhaps `id`, and anything else as metadata: dicts, a pandas
        or polars frame, a pyarrow table or reader."""
        limit = self.config.max_document_chars
        read = (mapped(r, None, i, DEFAULT, limit) for i, r in enumerate(rows_of(rows), start=1))
        return self.enqueue_documents(read, _schema(schema), **options)

    def enqueue_files(
        self,
        sources: Sequence[str | Path],
        schema: Schema | str | Path,
        progress: Callable[[int], None] = lambda _: None,
        *,
        mapping: Columns = DEFAULT,
        input_format: str = "",
        **options: Unpack[Options],
    ) -> Enqueued:
        """Enqueue files and folders. Raises `UsageError` before anything is written."""
        loaded = _schema(schema)
        limit = self.config.max_document_chars
        found = find_sources(sources, mapping, limit, input_format)
        read = read_sources(found)
        if not options.get("name"):
            options["name"] = ", ".join(source.name.rsplit("/", 1)[-1] for source in found[:3])
        return self.enqueue_documents(read, loaded, progress, **options)

    def enqueue_documents(
        self,
        read: Iterable[Read],
        schema: Schema,
        progress: Callable[[int], None] = lambda _: None,
        **options: Unpack[Options],
    ) -> Enqueued:
        """Make a job and give it everything that was read."""
        new = self._new_job(schema, options)
        with self.engine.begin() as conn:
            job_id = jobs.create_job(conn, new)
        try:
            done = self._fill(job_id, read, schema, progress, chunker(self.config))
        except BaseException:
            # half a corpus must not be worked off as if it were the whole
            with self.engine.begin() as conn:
                jobs.set_job_state(conn, job_id, "cancelled", "enqueueing was interrupted")
            raise
        with self.engine.begin() as conn:
            jobs.finish_enqueueing(conn, job_id)
        return done

    def _fill(
        self,
        job_id: str,
        read: Iterable[Read],
        schema: Schema,
        progress: Callable[[int], None],
        divided: Chunker,
    ) -> Enqueued:
        total: Counter[str] = Counter()
        kept: list[jobs.NewInputError] = []
        for chunk in in_chunks(read):
            documents = [row for row in chunk if isinstance(row, queue.NewDocument)]
            errors = [row for row in chunk if isinstance(row, jobs.NewInputError)]
            with self.engine.begin() as conn:
                done = queue.enqueue_documents(conn, job_id, documents, schema.tasks, divided)
                errors += [repeated(documents[i]) for i in done.duplicates]
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

    def _new_job(self, schema: Schema, options: Options) -> jobs.NewJob:
        config = self.config
        model = options.get("model") or config.llm_model
        cap_usd = options.get("cap_usd")
        if cap_usd is not None:
            check_cap(cap_usd, model, config)
        return jobs.NewJob(
            name=options.get("name") or schema.name,
            schema_name=schema.name,
            schema_body=schema.body(),
            schema_digest=schema.digest,
            model=model,
            endpoint=config.llm_base_url,
            bundle_digest="",
            prompt_version=PROMPT_VERSION,
            settings={
                **decoding(config).body(),
                "chunks": chunker(config).body(),
                **({"context": context} if (context := options.get("context")) else {}),
            },
            priority=jobs.Priority[options.get("priority", "normal").upper()],
            cap_nusd=to_nusd(cap_usd),
            forced=options.get("force", False),
        )

    def estimate(
        self,
        sources: Sequence[str | Path],
        schema: Schema | str | Path,
        *,
        model: str = "",
        sample: int = 200,
        context: str = "",
        progress: Callable[[int], None] = lambda _: None,
        mapping: Columns = DEFAULT,
        input_format: str = "",
    ) -> Estimate:
        """What a job of these files and folders would cost; makes none, and sends no text.

        sample: questions of each task that prompts are built for. Only where no model is named is
        the endpoint asked, for the list of its models. Raises `UsageError`, `BundleError`,
        `SettingsError`, `UnavailableError`.
        """
        from worker.estimate import estimate, first_model  # heavy: enqueueing needs no bundle

        loaded = _schema(schema)
        limit = self.config.max_document_chars
        read = read_sources(find_sources(sources, mapping, limit, input_format))
        named = model or self.config.llm_model or first_model(self.config)
        return estimate(
            self.config,
            self.engine,
            read,
            loaded,
            named,
            decoding(self.config),
            sample=sample,
            chunker=chunker(self.config),
            context=context,
            progress=progress,
        )

    def progress(self, job_id: str) -> jobs.Progress:
        """How far a job is."""
        with reading(self.engine) as conn:
            return jobs.progress(conn, job_id)

    def jobs(self) -> list[jobs.Job]:
        """All jobs, the newest first."""
        with reading(self.engine) as conn:
            return jobs.list_jobs(conn)


def enqueue(rows: Any, schema: Schema | str | Path, **options: Unpack[Options]) -> Enqueued:
    """`Client().enqueue(...)`, in one call."""
    return Client().enqueue(rows, schema, **options)


def check_cap(cap_usd: float, model: str, config: Settings) -> None:
    """Raises `UsageError` unless a cap can be held: it needs the model's price."""
    if cap_usd <= 0:
        raise UsageError(f"A cap of {cap_usd:g} USD allows nothing.", "Give a positive amount.")
    if price_of(model, config.llm_prices) is None:
        raise UsageError(
            f"A cap needs a price, and none is known for {model or 'a model that nobody named'}.",
            """Name the model, and set RUIE_LLM_PRICES='{"MODEL": [USD in, USD out]}', for a """
            "million tokens.",
        )


def decoding(config: Settings) -> Decoding:
    """How the settings shape an answer."""
    return Decoding(
        demonstrations=config.demonstrations,
        max_tokens=config.llm_max_tokens,
        prompt_tokens=config.prompt_tokens,
        form=config.output_form,
        stop=tuple(config.llm_stop),
    )


def chunker(config: Settings) -> Chunker:
    """How the settings divide a text."""
    return Chunker(config.chunk_tokens, config.chunk_overlap, config.language)


def _schema(schema: Schema | str | Path) -> Schema:
    return schema if isinstance(schema, Schema) else Schema.load(schema)
