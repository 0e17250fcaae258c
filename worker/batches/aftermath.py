"""What a failed call means for the calls after it, in its batch and its job."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from ruie.db import item_states
from ruie.errors import CallError, FatalCallError, OutputError, TransientCallError
from ruie.questions import Question
from ruie.worker.batches import settlement
from ruie.worker.batches.batch_item import BatchItem, State
from ruie.worker.batches.lanes import Lane
from ruie.worker.batches.retries import (
    AwaitEndpoint,
    Decision,
    PauseJob,
    Quarantine,
    RetryPolicy,
    attempt_of,
    decide,
)
from ruie.worker.batches.store import Store

log = logging.getLogger("ruie.batch")


class Aftermath:
    """Of the failures in one batch. call_off: sends nothing more of the batch."""

    def __init__(
        self,
        store: Store,
        lane: Lane,
        job_id: str,
        policy: RetryPolicy,
        call_off: Callable[[], None],
    ) -> None:
        self._store = store
        self._lane = lane
        self._job_id = job_id
        self._policy = policy
        self._call_off = call_off

    def answered(self) -> None:
        """A call was answered, and its answer could be used."""
        self._lane.fruitless.pop(self._job_id, None)

    async def fail(self, item: BatchItem, question: Question, error: Exception) -> None:
        """Decide what a failure of an item means, and carry that out."""
        leased = item.leased
        if not isinstance(error, CallError):
            # An error of ours ends this item and not the batch: it is counted like any other.
            log.error("%s of document %d", leased.task, leased.document_id, exc_info=error)
            error = TransientCallError(
                f"{type(error).__name__}: {error}", maybe_charged=item.state is State.SENT
            )
        if isinstance(error, FatalCallError):
            error.others_answered = await self._store.read(
                partial(item_states.any_done, job_id=self._job_id)
            )
        decision = decide(error, attempt_of(leased, question), self._policy)
        log.info("%s of document %d: %s, %s", leased.task, leased.document_id, error.kind, decision)
        fail = partial(
            settlement.fail, item=item, question=question, error=error, decision=decision
        )
        await self._store.write(fail)
        item.end("failed", error, type(decision).__name__)
        await self.after(item, error, decision)

    async def after(self, item: BatchItem, error: CallError, decision: Decision) -> None:
        """A call failed, and the decision was carried out."""
        if isinstance(decision, PauseJob | AwaitEndpoint):
            self._call_off()
        elif isinstance(error, OutputError) or isinstance(decision, Quarantine):
            await self._count_fruitless(item, error)

    async def _count_fruitless(self, item: BatchItem, error: CallError) -> None:
        """A whole corpus is neither paid for answers of which nothing can be used, nor given up
        item by item for what may be a matter of its settings."""
        fruitless = self._lane.fruitless.setdefault(self._job_id, set())
        fruitless.add(item.leased.id)
        number = len(fruitless)
        if number < self._policy.max_fruitless:
            return
        fruitless.clear()
        if not isinstance(error, OutputError) and await self._store.read(
            partial(item_states.any_done, job_id=self._job_id)
        ):
            return  # a long document that the provider filters, among others that it takes
        self._call_off()
        pause = partial(
            settlement.refuse_fruitless, job_id=self._job_id, number=number, error=error
        )
        await self._store.write(pause)
