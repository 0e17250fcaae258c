"""Enqueueing and status as Python calls, for a scheduler or a notebook.

    from ruie.worker.client import Client
    job = Client().enqueue([{"id": "1", "text": "Crude fell 2 %"}], schema="oil.yaml")

Only the database is needed: the coordinator finds the work there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from sqlalchemy import Engine

from ruie.chunking import Chunker
from ruie.db import jobs, migrate
from ruie.db.engine import open_engine, reading
from ruie.db.spend import to_nusd
from ruie.errors import UsageError
from ruie.extractor import Decoding
from ruie.prompts import PROMPT_VERSION
from ruie.schema import Schema
from ruie.settings import Settings, settings
from ruie.worker.ingest.dry_run import Preview, preview
from ruie.worker.ingest.enqueue import Enqueued, Progress, begin, fill
from ruie.worker.ingest.input_batches import Readable
from ruie.worker.ingest.sources import find_sources, read_sources
from ruie.worker.ingest.sources.find import absolute
from ruie.worker.ingest.sources.mapping import DEFAULT
from ruie.worker.ingest.sources.mapping import Mapping as Columns
from ruie.worker.ingest.sources.remote import without_credentials
from ruie.worker.ingest.sources.rows import Rows
from ruie.worker.ingest.sources.source import Source
from ruie.worker.prices import price_of

if TYPE_CHECKING:
    from ruie.worker.estimate.estimate import Estimate


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
    corpus: str
    """What the sources hold, whenever they are read: only what is new or changed is enqueued, and
    what is gone is marked as removed. Ids tell documents apart."""
    anew: bool
    """Make a new job where an interrupted one could be gone on with."""


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
        progress: Progress = lambda _: None,
        **options: Unpack[Options],
    ) -> Enqueued:
        """Enqueue rows with `text`, perhaps `id`, and anything else as metadata: dicts, a pandas
        or polars frame, a pyarrow table or reader."""
        given = Rows(rows, self.config.max_document_chars)
        loaded = _schema(schema)
        return self._enqueue([given], loaded, self._new_job(loaded, options), progress)

    def enqueue_files(
        self,
        sources: Sequence[str | Path],
        schema: Schema | str | Path,
        progress: Progress = lambda _: None,
        *,
        mapping: Columns = DEFAULT,
        input_format: str = "",
        **options: Unpack[Options],
    ) -> Enqueued:
        """Enqueue files and folders; where an earlier call of the same was interrupted, go on with
        its job. Raises `UsageError` before anything is written."""
        loaded, found, new = self._prepare(sources, schema, mapping, input_format, options)
        return self._enqueue(found, loaded, new, progress)

    def preview_files(
        self,
        sources: Sequence[str | Path],
        schema: Schema | str | Path,
        progress: Progress = lambda _: None,
        *,
        mapping: Columns = DEFAULT,
        input_format: str = "",
        **options: Unpack[Options],
    ) -> Preview:
        """What `enqueue_files` would do; writes nothing."""
        loaded, found, new = self._prepare(sources, schema, mapping, input_format, options)
        tasks = len(loaded.tasks)
        return preview(self.engine, new, found, tasks, chunker(self.config), progress)

    def _prepare(
        self,
        sources: Sequence[str | Path],
        schema: Schema | str | Path,
        mapping: Columns,
        input_format: str,
        options: Options,
    ) -> tuple[Schema, list[Source], jobs.NewJob]:
        loaded = _schema(schema)
        found = find_sources(sources, mapping, self.config.max_document_chars, input_format)
        new = self._new_job(loaded, options)
        if not options.get("name"):
            new = replace(
                new, name=", ".join(source.name.rsplit("/", 1)[-1] for source in found[:3])
            )
        places = [without_credentials(absolute(source)) for source in sources]
        scope = _hash([sorted(places), options.get("corpus", "")])
        key = None
        if not options.get("anew") and all(source.replayable for source in found):
            key = _hash([scope, astuple(mapping), input_format, new.question, new.forced])
        return loaded, found, replace(new, scope=scope, enqueue_key=key)

    def _enqueue(
        self,
        sources: Sequence[Readable],
        schema: Schema,
        new: jobs.NewJob,
        progress: Progress,
    ) -> Enqueued:
        begun = begin(self.engine, new, sources)
        divided = chunker(self.config)
        try:
            return fill(self.engine, begun, new, sources, schema.tasks, divided, progress)
        except BaseException:
            if new.enqueue_key is None:
                # nobody can go on with it, and half must not be worked off as if it were the whole
                with self.engine.begin() as conn:
                    why = "enqueueing was interrupted"
                    jobs.set_job_state(conn, begun.job_id, "cancelled", why)
            raise

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
            prompt_version=PROMPT_VERSION,
            settings={
                **decoding(config).body(),
                "chunks": chunker(config).body(),
                **({"context": context} if (context := options.get("context")) else {}),
            },
            priority=jobs.Priority[options.get("priority", "normal").upper()],
            cap_nusd=to_nusd(cap_usd),
            forced=options.get("force", False),
            corpus=options.get("corpus") or None,
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
        from ruie.worker.estimate.estimate import (  # heavy: enqueueing needs no bundle
            estimate,
            first_model,
        )

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


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
