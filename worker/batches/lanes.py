"""One lane for each class of jobs: what a process has for its calls, so that no class waits behind
another.

A backfill that waits for its share of a quota holds its own calls in flight and its own place at
the encoder's end, never those of a live job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from ruie.db.jobs import Job, Priority
from ruie.db.queue import LeasedItem
from ruie.extractor import Decoding, Extractor, Retriever
from ruie.llm import LLMClient
from ruie.records import Query
from ruie.worker.prices import Price

PREPARED_AT_A_TIME = 16
"""Questions encoded together: enough for full batches of the encoder (benchmarks/overhead.md)."""
KEPT = 100
"""Extractors kept in a lane; they are cheap to make again."""


class Lane:
    """The calls of one class in one process, on one event loop.

    llm: a client with its own calls in flight, behind the fleet's limits for this class.
    """

    def __init__(
        self,
        priority: Priority,
        llm: LLMClient,
        retriever: Retriever | None,
        model: Callable[[], str],
        price: Callable[[str], Price | None],
    ) -> None:
        self.priority = priority
        self.llm = llm
        self.price = price
        self._retriever = retriever
        self._model = model
        self._extractors: dict[tuple[str, str, int | None, int | None], Extractor] = {}
        self.feeding = asyncio.Lock()
        """Held by the batch whose questions are being prepared; the next one waits."""
        # The next few are encoded while others are being asked: a process never waits for its
        # encoder with no call in flight. Nor does it encode far ahead: the processes of a machine
        # would all do so at once, and then all wait for answers.
        self.room = asyncio.Semaphore(llm.max_in_flight + PREPARED_AT_A_TIME)
        # A call is in flight until what came back is saved. So a crash never costs more calls than
        # this, also where the database is slower than the endpoint.
        self.in_flight = asyncio.Semaphore(llm.max_in_flight)

    @property
    def bundle_digest(self) -> str:
        """Of the bundle that its demonstrations are from; "" without one."""
        return self._retriever.digest if self._retriever else ""

    def extractor(self, job: Job, item: LeasedItem | None = None) -> Extractor:
        """The extractor for a job: its model and decoding, or what an item has instead."""
        model = (item.model if item else None) or job.model or self._model()
        longer = item.max_tokens if item else None
        fewer = item.demonstrations if item else None
        key = (job.id, model, longer, fewer)
        if key not in self._extractors:
            if len(self._extractors) > KEPT:
                self._extractors.clear()
            decoding = Decoding.from_body(job.settings)
            decoding = replace(
                decoding,
                max_tokens=decoding.max_tokens if longer is None else longer,
                demonstrations=decoding.demonstrations if fewer is None else fewer,
            )
            salt = job.id if job.forced else ""
            self._extractors[key] = Extractor(self._retriever, self.llm, model, decoding, salt)
        return self._extractors[key]

    def key(self, job: Job, item: LeasedItem, query: Query) -> str:
        """The idempotency key: of the question as the job asks it, whatever an item needed to be
        answered (a longer answer, fewer demonstrations)."""
        asked = replace(item, max_tokens=None, demonstrations=None)
        return self.extractor(job, asked).key(query)
