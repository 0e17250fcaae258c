"""What a failed call means for the calls after it, in its batch and its job."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ruie.errors import CallError, OutputError
from ruie.worker.batches import settlement
from ruie.worker.batches.batch_item import BatchItem
from ruie.worker.batches.lanes import Lane
from ruie.worker.batches.retries import AwaitEndpoint, Decision, PauseJob, RetryPolicy
from ruie.worker.batches.store import Store


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
        self._lane.unusable.pop(self._job_id, None)

    async def after(self, item: BatchItem, error: CallError, decision: Decision) -> None:
        """A call failed, and the decision was carried out."""
        if isinstance(decision, PauseJob | AwaitEndpoint):
            self._call_off()
        elif isinstance(error, OutputError):
            await self._count_unusable(item, error)

    async def _count_unusable(self, item: BatchItem, error: CallError) -> None:
        """A model of which nothing can be used is not paid for a whole corpus of answers."""
        unusable = self._lane.unusable.setdefault(self._job_id, set())
        unusable.add(item.leased.id)
        number = len(unusable)
        if number < self._policy.max_unusable:
            return
        unusable.clear()
        self._call_off()
        pause = partial(settlement.refuse_unusable, job_id=self._job_id, number=number, error=error)
        await self._store.write(pause)
