"""Jobs as Python calls: their progress, their results, their states, their reviews."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from sqlalchemy import Engine

from ruie.db import (
    batch_jobs,
    endpoints,
    job_states,
    jobs,
    migrate,
    provider_batches,
    quarantine,
    reviews,
    targets,
)
from ruie.db.engine import open_engine, reading
from ruie.db.job_changes import ChangedJob, change_job
from ruie.db.jobs import Job, JobState
from ruie.db.progress import JobProgress, progress
from ruie.db.record_pages import DocumentRecords, document_records
from ruie.db.spend import NUSD, committed_nusd, to_nusd
from ruie.errors import UnavailableError, UsageError
from ruie.formats.writing import schema_text
from ruie.schema import Schema
from ruie.settings import Settings, settings
from ruie.worker.export import write
from ruie.worker.export.confident import confident
from ruie.worker.export.rows import Counts, RecordTable
from ruie.worker.job_options import Changes, check_cap, job_change
from ruie.worker.reviewing import Imported, import_reviews
from ruie.worker.waiting import wait_for

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class BundleInUse:
    """The bundle that the settings name. digest: that of `Job.bundle_digest`, where a worker with
    this bundle began the job. encoder: the model that it was exported from. schemas: the names of
    those that its demonstrations were annotated with."""

    path: Path
    digest: str
    encoder: str
    demonstrations: int
    schemas: tuple[str, ...]


class JobClient:
    """Reads and changes the jobs of a database. A context manager, which closes its connections.

    config: default, the settings of the environment and `ruie.toml`. engine: default, one for
    `config.database_url`. Raises `UnavailableError`, and `DatabaseError` where the database is not
    of this version (`ruie db upgrade`), or where there is no such job.
    """

    def __init__(self, config: Settings | None = None, engine: Engine | None = None) -> None:
        self.config = config or settings()
        self._owned = engine is None
        self.engine = engine or open_engine(self.config.database_url)
        migrate.check(self.engine)

    def close(self) -> None:
        """Close the connections to the database, unless its engine was given."""
        if self._owned:
            self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def progress(self, job_id: str) -> JobProgress:
        """How far a job is."""
        with reading(self.engine) as conn:
            return progress(conn, job_id, self.config.quarantine_share)

    def wait(
        self,
        job_id: str,
        timeout_s: float | None = None,
        *,
        report: Callable[[JobProgress], object] = lambda _: None,
        pause: Callable[[float], object] = time.sleep,
    ) -> JobProgress:
        """Wait until a job has ended, or until it can go on only once somebody mends what paused it
        (`JobProgress.blocked`); `JobProgress.ok` says how. A database that is away is waited for.

        report: called with each change of the state, and with the progress every 30 seconds. pause:
        called with the seconds between two looks. Raises `UnavailableError` after `timeout_s`
        seconds, or where the database stays away.
        """
        tolerated = self.config.quarantine_share
        (last,) = wait_for(self.engine, [job_id], tolerated, timeout_s, report, pause)
        if last.ok is None:
            raise UnavailableError(
                f"{job_id} is still {last.state} after {timeout_s:g} s.", "Wait longer."
            )
        return last

    def job(self, job_id: str) -> jobs.Job:
        """A job with its settings."""
        with reading(self.engine) as conn:
            return jobs.get_job(conn, job_id)

    def jobs(self) -> list[jobs.Job]:
        """All jobs, the newest first."""
        with reading(self.engine) as conn:
            return jobs.list_jobs(conn)

    def results(
        self, job_id: str, *, limit: int | None = None, min_confidence: float | None = None
    ) -> Iterator[DocumentRecords]:
        """The job's documents with their records, each document once, read page by page; of a job
        that runs, those there are by then.

        A task that is not in a document's `answered` has no answer, or not yet: its records are
        missing. limit: at most so many documents. min_confidence: without the model's records
        that are less confident, or of which no confidence is known.
        """
        self.job(job_id)
        read = document_records(self.engine, job_id, limit=limit)
        return confident(read, min_confidence, Counts())

    def to_arrow(
        self, job_id: str, table: RecordTable = "entities", *, min_confidence: float | None = None
    ) -> pa.Table:
        """One kind of a job's records, or its documents, with the columns of `ruie export --format
        parquet`. Which tasks have an answer is a column of the documents, `answered`.
        min_confidence: as of `results`."""
        from ruie.worker.export.parquet import record_table  # it loads pyarrow

        return record_table(self.results(job_id, min_confidence=min_confidence), job_id, table)

    def pause(self, job_id: str) -> None:
        """Send nothing of a job for now; calls in flight end. Raises `DatabaseError` where its
        state does not allow it, as do the following."""
        self._set_state(job_id, "paused", "paused by hand")

    def resume(self, job_id: str) -> None:
        """Continue a paused or failed job where it stopped."""
        self._set_state(job_id, "running", None)

    def cancel(self, job_id: str) -> None:
        """End a job for good; its records stay."""
        self._set_state(job_id, "cancelled", "cancelled by hand")

    def set_cap(self, job_id: str, usd: float | None) -> Job:
        """Set the most that a job may cost, USD; None: no cap. A job that is paused at its cap
        continues when the new one is higher. Raises `UsageError` where no price is known."""
        if usd is not None:
            check_cap(usd, self.job(job_id).model, self.config)
        with self.engine.begin() as conn:
            return job_states.set_cap(conn, job_id, to_nusd(usd))

    def committed_usd(self, job_id: str) -> float:
        """What a job has spent and reserved for calls in flight, USD."""
        with reading(self.engine) as conn:
            return committed_nusd(conn, job_id) / NUSD

    def _set_state(self, job_id: str, state: JobState, reason: str | None) -> None:
        with self.engine.begin() as conn:
            job_states.set_job_state(conn, job_id, state, reason)

    def quarantined(
        self, job_id: str | None = None, *, error_class: str | None = None, limit: int = 50
    ) -> list[quarantine.QuarantinedItem]:
        """The items that were given up, of a job or of all, the newest first."""
        with reading(self.engine) as conn:
            return quarantine.list_quarantined(conn, job_id, error_class, limit)

    def retry(
        self, job_id: str, *, error_class: str | None = None, model: str | None = None
    ) -> int:
        """Try again what was given up, as if it were new; returns the number of items. A job that
        was done runs again.

        error_class: only items of it. model: another one for these items, which is not looked up.
        Raises `UsageError` where the job has a cap and no price is known for the model.
        """
        self.check_retry(job_id, model)
        with self.engine.begin() as conn:
            return quarantine.retry_quarantined(conn, job_id, error_class, model)

    def check_retry(self, job_id: str, model: str | None) -> None:
        """Raise what `retry` would."""
        known = self.job(job_id)
        if model and known.cap_nusd is not None:
            check_cap(known.cap_nusd / NUSD, model, self.config)

    def change_job(self, job_id: str, **changes: Unpack[Changes]) -> ChangedJob:
        """Change a job that has begun, from the next batch of each worker on: what is done stays,
        and items that wait are as if they were new. An unknown model is not noticed here.

        Raises `UsageError`, and `DatabaseError` where there is nothing to ask.
        """
        with self.engine.begin() as conn:
            change = job_change(jobs.get_job(conn, job_id), changes, self.config)
            return change_job(conn, job_id, change)

    def import_reviews(
        self, job_id: str, path: str | Path, reviewer: str | None = None
    ) -> Imported:
        """Store the corrected rows of a file that was exported from the job (JSONL). Rows that are
        wrong are its `problems`; the others are stored. Raises `AnnotationError`."""
        return import_reviews(self.engine, self.job(job_id), Path(path), reviewer)

    def export_reviews(
        self, path: str | Path, job_id: str | None = None, *, overwrite: bool = False
    ) -> int:
        """Write the reviews in force, of a job's documents or of all, as annotated rows (JSONL),
        with their schema beside them; returns their number. Raises `UsageError`."""
        path = Path(path)
        write.check(path, "jsonl", overwrite=overwrite)
        with reading(self.engine) as conn:
            if job_id:
                jobs.get_job(conn, job_id)
            current = list(reviews.current_reviews(conn, job_id))
        if not current:
            raise UsageError("There is no review.", "Import some with `ruie review import`.")
        if len({r.schema_digest for r in current}) > 1:
            raise UsageError("The reviews are of several schemas.", "Name one JOB.")
        body = Schema.from_body(current[0].schema_body)
        write.write_rows(path, (r.body for r in current), schema_text(body))
        return len(current)

    def bundle(self) -> BundleInUse:
        """The bundle of the settings, read from its manifest alone. Raises `BundleError`."""
        from ruie.bundle.bundle import read_manifest  # it loads the bundle's libraries
        from ruie.bundle.manifest import digest

        path = Path(self.config.bundle)
        manifest, raw = read_manifest(path)
        schemas = dict.fromkeys(part.schema_name for part in manifest.partitions)
        return BundleInUse(
            path,
            digest(raw),
            manifest.encoder.base_model,
            manifest.demonstrations,
            tuple(schemas),
        )

    def batches(self, scope: str | None = None) -> list[provider_batches.ProviderBatch]:
        """The batches at the provider, of all jobs or of one job (or corpus), oldest first."""
        with reading(self.engine) as conn:
            return provider_batches.listed(conn, scope)

    def batch(self, number: int) -> provider_batches.ProviderBatch:
        """A batch at the provider. Raises `DatabaseError` where there is none of this number."""
        with reading(self.engine) as conn:
            return batch_jobs.get_batch(conn, number)

    def cancel_batch(self, number: int) -> provider_batches.ProviderBatch:
        """Cancel a batch, and pause its jobs: what it has answered by then is recorded. Raises
        `DatabaseError` where it has ended."""
        with self.engine.begin() as conn:
            return batch_jobs.cancel_batch(conn, number)

    def endpoints_away(self) -> list[endpoints.Away]:
        """The endpoints that no call reaches, since when and why."""
        with reading(self.engine) as conn:
            return endpoints.list_away(conn)

    def models(self) -> list[targets.ModelStanding]:
        """What was learned of the models of the settings' endpoint (all, if none is set)."""
        with reading(self.engine) as conn:
            return targets.list_models(conn, self.config.llm_endpoint or None)
