"""What enqueueing would do: everything is read and counted, nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine

from ruie.chunking import Chunker
from ruie.db import corpora, jobs
from ruie.db.corpora import Asking, Position
from ruie.db.engine import reading
from ruie.db.enqueue import digest, sort_out
from ruie.db.queue import NewDocument
from ruie.db.types import storable
from ruie.worker.ingest.documents import KEPT_ERRORS, repeated
from ruie.worker.ingest.enqueue import EnqueueProgress, ProgressCallback
from ruie.worker.ingest.input_batches import Readable, batches, total_bytes
from ruie.worker.ingest.seen import Seen


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
    sources: Sequence[Readable],
    tasks: int,
    chunker: Chunker,
    progress: ProgressCallback,
) -> DryRun:
    """Read everything and count. tasks: how many of them each chunk is asked."""
    with closing(Seen()) as seen, reading(engine) as conn:
        return _Counting(conn, new, seen, tasks, chunker).run(sources, progress)


class _Counting:
    def __init__(
        self, conn: Connection, new: jobs.NewJob, seen: Seen, tasks: int, chunker: Chunker
    ) -> None:
        self._conn = conn
        self._seen = seen
        self._tasks = tasks
        self._chunker = chunker
        self._scope = new.scope or ""
        self._continues = corpora.open_job(conn, new.enqueue_key) if new.enqueue_key else None
        context = new.settings.get("context", "")
        job_id = self._continues or ""
        self._asking = Asking(job_id, new.corpus, new.question, new.forced, context)
        self._total: Counter[str] = Counter()
        self._errors: list[jobs.NewInputError] = []

    def run(self, sources: Sequence[Readable], progress: ProgressCallback) -> DryRun:
        begun = self._begun(sources)
        unread = {name for name, at in begun.items() if at.state == "unchanged"}
        self._asking = replace(self._asking, unread=unread)
        size = total_bytes(sources)
        broken = False
        for batch in batches(sources, begun):
            self._refuse(batch.errors)
            self._count(batch.documents)
            broken |= any(at.state == "broken" for at in batch.reached.values())
            progress(EnqueueProgress("", self._total["read"], batch.bytes_read, size))
        removed = 0 if broken else self._without(unread)
        return DryRun(
            documents=self._total["documents"],
            new_documents=self._total["new"],
            items=self._total["items"],
            refused=self._total["refused"],
            errors=tuple(self._errors),
            changed=self._total["changed"],
            unchanged=self._total["unchanged"],
            removed=removed,
            continues=self._continues,
        )

    def _begun(self, sources: Sequence[Readable]) -> dict[str, Position]:
        if self._continues:
            return corpora.positions(self._conn, self._continues)
        marks = [(source.name, source.fingerprint) for source in sources]
        return corpora.unchanged_sources(self._conn, self._asking, self._scope, marks)

    def _count(self, rows: Sequence[NewDocument]) -> None:
        kept = []
        for row in rows:
            if self._seen.name(storable(row.external_id)):
                kept.append(row)
            else:
                self._refuse([repeated(row)])
        digests = [digest(row.text) for row in kept]
        found = sort_out(self._conn, self._asking, kept, digests)
        self._refuse([repeated(kept[i]) for i in found.duplicates])
        self._seen.add_numbers([*found.superseded, *(row[0] for row in found.seen)])
        first = [i for i in found.fresh if self._seen.text(digests[i])]
        known = corpora.known_digests(self._conn, [digests[i] for i in first])
        self._total["read"] += len(kept)
        self._total["documents"] += len(found.fresh)
        self._total["changed"] += len(found.superseded)
        self._total["unchanged"] += len(found.seen)
        self._total["new"] += len(first) - len(known)
        for i in first:
            self._total["items"] += len(self._chunker(storable(kept[i].text))) * self._tasks

    def _without(self, unread: set[str]) -> int:
        """What the corpus has and was not met; sources that need not be read are unchanged."""
        removed = 0
        if self._asking.corpus is not None:
            for number, source in corpora.current_origins(self._conn, self._asking, self._scope):
                if source in unread:
                    self._total["unchanged"] += 1
                elif not self._seen.has_number(number):
                    removed += 1
        return removed

    def _refuse(self, errors: Sequence[jobs.NewInputError]) -> None:
        self._total["refused"] += len(errors)
        self._errors += errors[: max(0, KEPT_ERRORS - len(self._errors))]
