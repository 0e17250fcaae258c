"""Enqueueing and estimates as Python calls; `ruie.client` is their public name.

Only the database is needed: the coordinator finds the work there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, Unpack

from ruie.annotations import schema_demonstrations
from ruie.db import demonstrations, jobs
from ruie.db.job_settings import JobSettings
from ruie.db.spend import to_nusd
from ruie.lengths import shortened
from ruie.modes import Mode, in_mode, mode_of
from ruie.prompts import PROMPT_VERSION
from ruie.schema import Schema
from ruie.secrets import without_credentials
from ruie.worker.estimate.types import Estimate
from ruie.worker.ingest.dry_run import DryRun, dry_run
from ruie.worker.ingest.enqueue import Enqueued, ProgressCallback
from ruie.worker.ingest.enqueue import enqueue as fill
from ruie.worker.ingest.sources import FileSource, find_sources, read_sources
from ruie.worker.ingest.sources.file_entry import Access
from ruie.worker.ingest.sources.find import absolute
from ruie.worker.ingest.sources.mapping import DEFAULT, ColumnMapping
from ruie.worker.ingest.sources.row_source import RowSource
from ruie.worker.ingest.sources.source import Source
from ruie.worker.job_client import JobClient
from ruie.worker.job_options import Options, check_cap, checked, chunker, decoding
from ruie.worker.tracing.opening import tracer

__all__ = ["Client", "Options", "check_cap", "checked", "chunker", "decoding", "enqueue"]


class Client(JobClient):
    """Enqueues into the database of the settings, and does what `JobClient` does with its jobs."""

    def enqueue(
        self,
        rows: Any,
        schema: Schema | str | Path,
        progress: ProgressCallback = lambda _: None,
        **options: Unpack[Options],
    ) -> Enqueued:
        """Enqueue rows as a job.

        rows: an iterable of mappings, a pandas or polars frame, a pyarrow table or reader. `text`
        is required, `id` optional; all else is metadata. progress is called after each batch.
        Raises `UsageError`, and whatever iterating over the rows raises.
        """
        source = RowSource(rows, self.config.max_document_chars)
        loaded = _schema(schema)
        return self._enqueue([source], loaded, self._new_job(loaded, options), progress)

    def enqueue_files(
        self,
        sources: Sequence[str | Path],
        schema: Schema | str | Path,
        progress: ProgressCallback = lambda _: None,
        *,
        mapping: ColumnMapping = DEFAULT,
        input_format: str = "",
        **options: Unpack[Options],
    ) -> Enqueued:
        """Enqueue files as a job; where the same call was interrupted before, continue its job.

        sources: files, folders, globs and URLs, or "-" for standard input. input_format: of
        standard input and of files whose name does not tell (`jsonl`, `csv`, ...). Raises
        `UsageError` and `UnavailableError` before anything is written.
        """
        loaded, files, new = self._prepare(sources, schema, mapping, input_format, options)
        return self._enqueue(files, loaded, new, progress)

    def dry_run(
        self,
        sources: Sequence[str | Path],
        schema: Schema | str | Path,
        progress: ProgressCallback = lambda _: None,
        *,
        mapping: ColumnMapping = DEFAULT,
        input_format: str = "",
        **options: Unpack[Options],
    ) -> DryRun:
        """Count what `enqueue_files` would do with the same arguments; writes nothing."""
        loaded, files, new = self._prepare(sources, schema, mapping, input_format, options)
        tasks = len(loaded.tasks)
        return dry_run(self.engine, new, files, tasks, chunker(self.config), progress)

    def _prepare(
        self,
        sources: Sequence[str | Path],
        schema: Schema | str | Path,
        mapping: ColumnMapping,
        input_format: str,
        options: Options,
    ) -> tuple[Schema, list[FileSource], jobs.NewJob]:
        loaded = _schema(schema)
        limit = self.config.max_document_chars
        files = find_sources(sources, mapping, limit, input_format, self._access())
        new = self._new_job(loaded, options)
        if not options.get("name"):
            names = (file.name.rsplit("/", 1)[-1] for file in files[:3])
            new = replace(new, name=shortened(", ".join(names)))
        locations = sorted(without_credentials(absolute(source)) for source in sources)
        scope = _hash([locations, options.get("corpus", "")])
        key = None
        if not options.get("new_job") and all(file.replayable for file in files):
            parts = [scope, astuple(mapping), input_format, new.question, new.forced]
            if shown := new.demonstration_set or new.demonstrations:
                parts.append(shown if isinstance(shown, int) else demonstrations.digest_of(shown))
            key = _hash([*parts, *(["refreshed"] if new.refreshed else [])])
        return loaded, files, replace(new, scope=scope, enqueue_key=key)

    def _access(self) -> Access:
        return Access(tuple(self.config.allowed_hosts), self.config.outside_links)

    def _enqueue(
        self,
        sources: Sequence[Source],
        schema: Schema,
        new: jobs.NewJob,
        progress: ProgressCallback,
    ) -> Enqueued:
        chunks = chunker(self.config)
        traced = tracer(self.config)
        return fill(self.engine, new, sources, schema.tasks, chunks, progress, traced)

    def _new_job(self, schema: Schema, options: Options) -> jobs.NewJob:
        config = self.config
        model = options.get("model") or config.llm_model
        cap_usd = options.get("cap_usd")
        if cap_usd is not None:
            check_cap(cap_usd, model, config)
        # a worker adds those of its settings, like the headers, so that a wrong one can be mended
        parameters = checked(options.get("parameters") or {})
        mode = options.get("mode") or mode_of(parameters)
        if "mode" not in options and mode == "standard":
            mode = config.llm_mode
        parameters = in_mode(parameters, mode)
        shaped = replace(decoding(config), parameters=parameters)
        stored = options.get("demonstration_set")
        return jobs.NewJob(
            name=options.get("name") or schema.name,
            schema_name=schema.name,
            schema_body=schema.body(),
            schema_digest=schema.digest,
            model=model,
            endpoint=config.llm_endpoint,
            prompt_version=PROMPT_VERSION,
            settings=JobSettings(
                shaped,
                chunker(config),
                options.get("context") or "",
                options.get("fallback") == "standard",
            ),
            priority=jobs.Priority[options.get("priority", "normal").upper()],
            cap_nusd=to_nusd(cap_usd),
            forced=options.get("force", False),
            refreshed=options.get("refresh", False),
            demonstrations=() if stored else schema_demonstrations(schema),
            demonstrations_from=str(schema.demonstrations) if schema.demonstrations else None,
            demonstration_set=stored,
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
        mode: Mode | None = None,
        progress: Callable[[int], None] = lambda _: None,
        mapping: ColumnMapping = DEFAULT,
        input_format: str = "",
    ) -> Estimate:
        """What a job of these sources would cost. Makes no job and sends no text.

        model: default, that of the settings, or the first that the endpoint lists. sample: queries
        of each task whose prompts are built. context and mode: as in `Options`. progress is called
        with the number of documents read. Raises `UsageError`, `BundleError`, `SettingsError`,
        `UnavailableError`.
        """
        from ruie.worker.estimate.estimate import (  # it loads the bundle's libraries
            estimate,
            first_model,
        )

        loaded = _schema(schema)
        limit = self.config.max_document_chars
        documents = read_sources(
            find_sources(sources, mapping, limit, input_format, self._access())
        )
        return estimate(
            self.config,
            self.engine,
            documents,
            loaded,
            model or self.config.llm_model or first_model(self.config),
            decoding(self.config),
            sample=sample,
            chunker=chunker(self.config),
            context=context,
            mode=mode or self.config.llm_mode,
            progress=progress,
        )


def enqueue(rows: Any, schema: Schema | str | Path, **options: Unpack[Options]) -> Enqueued:
    """`Client().enqueue(...)` in one call."""
    return Client().enqueue(rows, schema, **options)


def _schema(schema: Schema | str | Path) -> Schema:
    return schema if isinstance(schema, Schema) else Schema.load(schema)


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
