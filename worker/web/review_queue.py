"""Which documents to review next: the order of `ruie review sample`, chosen once for each job and
kept in the database until it is worked off, since choosing reads and encodes up to 2,000 texts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock

from ruie.bundle import Bundle
from ruie.db import jobs
from ruie.db.engine import reading
from ruie.db.review_progress import ListedDocument, listed
from ruie.db.review_queue import queued, replace_queue
from ruie.shown import harmless
from ruie.worker import sampling
from ruie.worker.web.door import Door

LENGTH = 20
"""Documents that are chosen at a time."""
SHOWN_CHARS = 160
"""Of each text, on the page."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document is in its job's queue: its number from 1, 0 if it is not in it, of so many;
    the next one that is not reviewed, and the one before it."""

    number: int
    of: int
    next: int | None
    previous: int | None


@dataclass
class Queues:
    """The queues of all jobs."""

    door: Door
    _lock: Lock = field(default_factory=Lock)

    @cached_property
    def _bundle(self) -> Bundle:
        config = self.door.config
        return Bundle.open(config.bundle, threads=config.encoder_threads)

    def entries(self, job: jobs.Job, *, anew: bool = False) -> list[ListedDocument]:
        """The queue of a job; empty if every document is reviewed. Chosen now if it was not yet, if
        all of it is reviewed, or if it shall be chosen anew. Raises `BundleError`."""
        with self._lock:  # one at a time: it takes every core
            known = [] if anew else self._known(job)
            if not known or all(entry.reviewed for entry in known):
                with reading(self.door.engine) as conn:
                    chosen = sampling.sample(
                        conn,
                        job.id,
                        job.schema_name,
                        self._bundle.encoder,
                        self._bundle.manifest.encoder.query_prefix,
                        LENGTH,
                    )
                with self.door.engine.begin() as conn:
                    replace_queue(conn, job.id, chosen)
                known = self._known(job)
        return known

    def place(self, job: jobs.Job, document: int) -> Place:
        """Where a document is in the queue as it is; nothing is chosen for it."""
        known = self._known(job)
        numbers = [entry.id for entry in known]
        at = numbers.index(document) if document in numbers else -1
        others = [*known[at + 1 :], *known[: max(at, 0)]]
        following = next((e.id for e in others if not e.reviewed and e.id != document), None)
        previous = numbers[at - 1] if at > 0 else None
        return Place(at + 1, len(known), following, previous)

    def _known(self, job: jobs.Job) -> list[ListedDocument]:
        with reading(self.door.engine) as conn:
            known = listed(conn, job, queued(conn, job.id), SHOWN_CHARS)
        return [replace(one, beginning=harmless(" ".join(one.beginning.split()))) for one in known]
