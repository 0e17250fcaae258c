"""What the rest of the worker knows of tracing. Nothing is recorded here: `recording` does that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from ruie.db.jobs import Job
from ruie.db.leased_item import LeasedItem
from ruie.errors import CallError
from ruie.llm import Call, CallHook
from ruie.llm.profile import RequestProfile

ProfileOf = Callable[[str, Call], RequestProfile]
"""How a call to an endpoint is made, as far as this process knows."""

_NOTHING: AbstractContextManager[None] = nullcontext()


class ItemSpan:
    """A work item, from its lease to its end."""

    __slots__ = ()

    def working(self) -> AbstractContextManager[object]:
        """What is called and logged meanwhile belongs to the item."""
        return _NOTHING

    def saving(self) -> AbstractContextManager[object]:
        """Its answer is being written."""
        return _NOTHING

    def end(self, outcome: str, error: CallError | None = None, decision: str = "") -> None:
        """It has ended, as a batch counts it: saved, reused, failed, returned or lost. Only the
        first end counts. decision: what was made of the error."""


class BatchSpan:
    """A batch, from its lease to the end of its last item."""

    __slots__ = ()

    def item(self, leased: LeasedItem) -> ItemSpan:
        """One of its items begins."""
        return UNTRACED_ITEM

    def preparing(self, items: int) -> AbstractContextManager[object]:
        """The prompts of so many items are being made, with their demonstrations."""
        return _NOTHING

    def done(self, counts: Mapping[str, int]) -> None:
        """All items have ended. counts: how many of them, by how."""


class EnqueueSpan:
    """Documents being added to a job. traceparent: for the job; "" where nothing is recorded."""

    __slots__ = ()
    traceparent = ""

    def done(self, job_id: str, documents: int, new: int, items: int, refused: int) -> None:
        """They are in. new: of the documents. items: work items that this call made."""


class Tracer:
    """Records nothing, at no cost."""

    def enqueueing(self) -> AbstractContextManager[EnqueueSpan]:
        """Around an enqueueing."""
        return nullcontext(UNTRACED_ENQUEUE)

    def batch(self, job: Job, batch_id: str, items: int) -> AbstractContextManager[BatchSpan]:
        """Around a batch of which so many items were leased."""
        return nullcontext(UNTRACED_BATCH)

    def hook(self, inner: CallHook, endpoint: str, profile: ProfileOf) -> CallHook:
        """The hook, with the calls around which it is. endpoint: its base URL."""
        return inner

    def close(self) -> None:
        """Send what was recorded, if that takes no longer than a moment."""


UNTRACED_ITEM = ItemSpan()
UNTRACED_BATCH = BatchSpan()
UNTRACED_ENQUEUE = EnqueueSpan()
UNTRACED = Tracer()
