"""What enqueueing would do: everything is read and counted, nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine

from ruie.chunking import Chunker
from ruie.db import corpora, jobs
from ruie.db.corpora import CorpusJob, Position
from ruie.db.engine import reading
from ruie.db.enqueue import digest, sort_rows
from ruie.db.queue import EnqueueCounts, NewDocument
from ruie.db.types import storable
from ruie.worker.ingest.enqueue import EnqueueProgress, ProgressCallback
from ruie.worker.ingest.input_batches import read_batches, total_bytes
from ruie.worker.ingest.input_counter import EnqueueCounter
from ruie.worker.ingest.seen import Seen
from ruie.worker.ingest.sources.source import Source


@dataclass(frozen=True, slots=True)
class DryRun:
    """What enqueueing would do."""

    documents: int
    """Documents that the job would be given."""
    new_documents: int
    """Of these, distinct texts that the database does not have."""
    items: int
    """Work items that would be made."""
    refused: int
    errors: tuple[jobs.NewInputError, ...]
    """The first refusals; `refused` counts all of them."""
    changed: int
    unchanged: int
    removed: int
    """Documents of the corpus, as in `Enqueued`."""
    continues: str | None
    """The id of the interrupted job that would be continued."""


def dry_run(
    engine: Engine,
    new: jobs.NewJob,
    sources: Sequence[Source],
    tasks: int,
    chunker: Chunker,
    progress: ProgressCallback,
) -> DryRun:
    """Read everything and count. tasks: how many of them each chunk is asked."""
    with closing(Seen()) as seen, reading(engine) as conn:
        return _Pass(conn, new, seen, tasks, chunker).run(sources, progress)


class _Pass:
    def __init__(
        self, conn: Connection, new: jobs.NewJob, seen: Seen, tasks: int, chunker: Chunker
    ) -> None:
        self._conn = conn
        self._seen = seen
        self._tasks = tasks
        self._chunker = chunker
        self._scope = new.scope or ""
        self._continues = (
            corpora.interrupted_job(conn, new.enqueue_key) if new.enqueue_key else None
        )
        context = new.settings.context
        job_id = self._continues or ""
        self._corpus_job = CorpusJob(job_id, new.corpus, new.question, new.again, context)

    def run(self, sources: Sequence[Source], progress: ProgressCallback) -> DryRun:
        positions = self._positions(sources)
        unread = {name for name, at in positions.items() if at.state == "unchanged"}
        self._corpus_job = replace(self._corpus_job, unread=unread)
        counter = EnqueueCounter()
        size = total_bytes(sources)
        broken = False
        for batch in read_batches(sources, positions, self._corpus_job.corpus):
            counter.add(batch, self._count(batch.documents))
            broken |= any(at.state == "broken" for at in batch.positions.values())
            progress(EnqueueProgress("", counter.documents, batch.bytes_read, size))
        unchanged, removed = self._not_met(unread)
        return DryRun(
            documents=counter.added,
            new_documents=counter.new_documents,
            items=counter.items,
            refused=counter.refused,
            errors=tuple(counter.errors),
            changed=counter.changed,
            unchanged=counter.unchanged + unchanged,
            removed=0 if broken else removed,
            continues=self._continues,
        )

    def _positions(self, sources: Sequence[Source]) -> dict[str, Position]:
        if self._continues:
            return corpora.positions(self._conn, self._continues)
        fingerprints = [(source.name, source.fingerprint) for source in sources]
        return corpora.unchanged_sources(self._conn, self._corpus_job, self._scope, fingerprints)

    def _count(self, rows: Sequence[NewDocument]) -> EnqueueCounts:
        """What enqueueing would do with the rows, by those of earlier batches and the database."""
        first = [i for i, row in enumerate(rows) if self._seen.add_id(row.external_id)]
        digests = [digest(rows[i].text) for i in first]
        sorted_rows = sort_rows(self._conn, self._corpus_job, [rows[i] for i in first], digests)
        self._seen.add_origins(
            [*sorted_rows.superseded, *(row[0] for row in sorted_rows.unchanged)]
        )
        distinct = [i for i in sorted_rows.added if self._seen.add_text(digests[i])]
        known = corpora.known_digests(self._conn, [digests[i] for i in distinct])
        texts = (storable(rows[first[i]].text) for i in distinct)
        forgotten = {first[i] for i in sorted_rows.forgotten}
        accepted = set(first) - {first[i] for i in sorted_rows.duplicates}
        return EnqueueCounts(
            added=len(sorted_rows.added),
            known=sorted_rows.known,
            duplicates=tuple(i for i in range(len(rows)) if i not in accepted),
            new_documents=len(distinct) - len(known),
            new_items=sum(len(self._chunker(text)) * self._tasks for text in texts),
            changed=len(sorted_rows.superseded),
            unchanged=len(sorted_rows.unchanged),
            forgotten=tuple(sorted(forgotten)),
        )

    def _not_met(self, unread: set[str]) -> tuple[int, int]:
        """Documents of the corpus that were not met: of sources that need not be read, which are
        unchanged, and of the others, which are removed."""
        unchanged = removed = 0
        if self._corpus_job.corpus is not None:
            for origin, source in corpora.current_origins(
                self._conn, self._corpus_job, self._scope
            ):
                if source in unread:
                    unchanged += 1
                elif not self._seen.has_origin(origin):
                    removed += 1
        return unchanged, removed
