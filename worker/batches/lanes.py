"""One lane for each class of jobs: what a process has for its calls, so that no class waits behind
another.

A backfill that waits for its share of a quota holds up calls in flight and prepared questions of
its own, never those of a live job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, Self

from ruie.confidence.model import ConfidenceModel
from ruie.db.jobs import Job, Priority
from ruie.db.queue import NO_OVERRIDES, Overrides
from ruie.decoding import Decoding
from ruie.extractor import Extractor
from ruie.llm import LLMClient
from ruie.modes import in_mode
from ruie.records import Query
from ruie.worker.batches.demonstrations import Demonstrations, Shown
from ruie.worker.prices import Price

PREPARED_AT_A_TIME = 16
"""Questions encoded together: enough for full batches of the encoder (benchmarks/overhead.md)."""
KEPT_EXTRACTORS = 100
"""Extractors kept in a lane; they are cheap to make again."""


class Lane:
    """The calls of one class in one process, on one event loop.

    llm: a client with its own calls in flight, behind the fleet's limits for this class.
    parameters: added to each request, unless the job has one of the same name. reasoning_tokens:
    most that a reasoning model may think beside its answer. confidence: of records; default, the
    model that comes with ruie. log_probs: whether the endpoint is asked how probable tokens are.
    default_model: of jobs that name none; "": the first that the endpoint lists.
    """

    def __init__(
        self,
        priority: Priority,
        llm: LLMClient,
        demonstrations: Demonstrations,
        default_model: str,
        price: Callable[[str], Price | None],
        parameters: Mapping[str, Any] | None = None,
        reasoning_tokens: int = 4096,
        confidence: ConfidenceModel | None = None,
        log_probs: bool = True,
    ) -> None:
        self.priority = priority
        self.llm = llm
        self.price = price
        self.demonstrations = demonstrations
        self._parameters = parameters or {}
        self._reasoning_tokens = reasoning_tokens
        self._log_probs = log_probs
        self.confidence = confidence
        self.default_model = default_model
        self._extractors: dict[tuple[str, Decoding, Overrides, str, str], Extractor] = {}
        self._constraints: dict[str, str] = {}
        self.feeding = asyncio.Semaphore(1)
        """Held by the batch whose questions are being prepared; the next one waits."""
        # The next few are encoded while calls are in flight: a process never waits for its encoder
        # with no call in flight. Nor does it encode far ahead: the processes of a machine would
        # all do so at once, and then all wait for answers.
        self._slots = asyncio.Semaphore(llm.max_in_flight + PREPARED_AT_A_TIME)
        self._widened = False
        self.in_flight = CountingSemaphore(llm.max_in_flight)
        # A call gives up its place when its answer has a place among those that are being saved.
        # So a crash never costs more than twice as many calls, also where the database is slower
        # than the endpoint.
        self.unsaved = asyncio.Semaphore(llm.max_in_flight)
        self.fruitless: dict[str, set[int]] = {}
        """For each job the items without a usable answer, since one had one."""

    def widen(self) -> None:
        """The database is far away: two batches are prepared at once from now on, so that one waits
        for it while the other's questions are encoded. The second time changes nothing."""
        if not self._widened:
            self._widened = True
            self.feeding.release()
            for _ in range(PREPARED_AT_A_TIME):
                self._slots.release()

    async def resolve_model(self) -> None:
        """Find the model of jobs that name none, if it is not known yet. Raises
        `UnavailableError`, `FatalCallError`."""
        if not self.default_model:
            self.default_model = await self.llm.resolve_model()

    async def resolve_form(self, job: Job, models: Iterable[str]) -> None:
        """Find out to what the endpoint holds the answers of these models ("": the job's), if the
        job's form depends on it. Raises `CallError`."""
        decoding = self._decoding(job)
        for model in set() if decoding.proved else {self._model(job, each) for each in models}:
            self._constraints[model] = await self.llm.constraint(
                model, decoding.parameters, decoding.reasoning_tokens
            )
            decoding.resolved(self._constraints[model])

    def _model(self, job: Job, override: str | None = None) -> str:
        return override or job.model or self.default_model

    def _decoding(self, job: Job) -> Decoding:
        return replace(
            job.settings.decoding,
            parameters={**self._parameters, **job.settings.decoding.parameters},
            reasoning_tokens=self._reasoning_tokens,
            log_probs=self._log_probs,
        )

    def slots(self) -> Slots:
        """Slots for prepared questions, none taken yet."""
        return Slots(self._slots)

    def extractor(
        self, job: Job, overrides: Overrides = NO_OVERRIDES, shown: Shown | None = None
    ) -> Extractor:
        """The extractor for a job's items that have these overrides. shown: where demonstrations
        come from; default, the bundle as it is."""
        retriever = (shown or self.demonstrations.plain).retriever
        asked = self._model(job, overrides.model)
        overrides = replace(overrides, model=asked)
        constraint = self._constraints.get(asked, "")
        key = (
            job.id,
            job.settings.decoding,
            overrides,
            constraint,
            retriever.digest if retriever else "",
        )  # `ruie job set` may change them
        if key not in self._extractors:
            if len(self._extractors) > KEPT_EXTRACTORS:
                self._extractors.clear()
            changes = overrides.given()
            model, mode = changes.pop("model"), changes.pop("mode", None)
            decoding = replace(self._decoding(job), **changes)
            if mode is not None:
                parameters = in_mode(decoding.parameters, mode)
                decoding = replace(decoding, parameters=parameters)
            if not decoding.proved:
                decoding = decoding.resolved(constraint)
            salt = job.id if job.forced else ""
            self._extractors[key] = Extractor(
                retriever, self.llm, model, decoding, salt, confidence=self.confidence
            )
        return self._extractors[key]

    def key(self, job: Job, overrides: Overrides, query: Query, shown: Shown | None = None) -> str:
        """The idempotency key: of the question as the job asks it, also where an item's answer
        needs more tokens or its prompt fewer demonstrations."""
        return self.extractor(job, Overrides(model=overrides.model), shown).key(query)


class CountingSemaphore(asyncio.Semaphore):
    """taken: how often it was acquired and not yet released; may be read from any thread."""

    taken = 0

    async def acquire(self) -> Literal[True]:
        acquired = await super().acquire()
        self.taken += 1
        return acquired

    def release(self) -> None:
        self.taken -= 1
        super().release()


class Slot:
    """A slot of a lane that a task took over."""

    def __init__(self, semaphore: asyncio.Semaphore) -> None:
        self._semaphore: asyncio.Semaphore | None = semaphore

    def free(self, _task: object = None) -> None:
        """Give it back; the second time changes nothing."""
        if self._semaphore is not None:
            self._semaphore.release()
            self._semaphore = None


class Slots:
    """Slots of a lane, given back on leaving, except for those that were handed over."""

    def __init__(self, semaphore: asyncio.Semaphore) -> None:
        self._semaphore = semaphore
        self._taken = 0

    async def take(self, count: int) -> None:
        """Wait for so many."""
        for _ in range(count):
            await self._semaphore.acquire()
            self._taken += 1

    def hand_over(self) -> Slot:
        """One that is given back by its new owner."""
        self._taken -= 1
        return Slot(self._semaphore)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        for _ in range(self._taken):
            self._semaphore.release()
