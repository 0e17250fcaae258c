"""A work item of a batch, from its lease to its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum, auto

from ruie.db.queue import LeasedItem
from ruie.db.spend import Reservation
from ruie.errors import CallError
from ruie.extractor import Extractor
from ruie.records import Query
from ruie.worker.batches.demonstrations import Shown
from ruie.worker.prices import Price
from ruie.worker.tracing.spans import ItemSpan


class State(Enum):
    """How far an item is; it never goes back."""

    WAITING = auto()
    """Leased, and nothing more."""
    STARTED = auto()
    """Its prompt is built, its cost reserved, its task runs; nothing has been sent."""
    SENT = auto()
    """Its call has left this process, and may be charged."""
    LOST = auto()
    """Its lease was lost before its call was sent, which the database does not know yet."""
    ENDED = auto()
    """Nothing more is to be done: it was recorded, failed or released, or its lease was lost."""


@dataclass(frozen=True, slots=True)
class PendingCall:
    """What an item's call may cost. price: None where none is known."""

    model: str
    endpoint: str
    price: Price | None
    reservation: Reservation | None = None
    """None where nothing is reserved: not yet, or because the call costs nothing."""

    @property
    def has_cost(self) -> bool:
        return self.price is not None and not self.price.free


@dataclass(slots=True, eq=False)
class BatchItem:
    """key: the idempotency key of its question."""

    leased: LeasedItem
    query: Query
    key: str
    extractor: Extractor
    call: PendingCall
    shown: Shown
    span: ItemSpan
    state: State = State.WAITING
    task: asyncio.Task[None] | None = None
    """Makes its call and saves the result."""

    @property
    def held(self) -> bool:
        """Whether this batch is still to end it."""
        return self.state not in (State.LOST, State.ENDED)

    def start(self, task: asyncio.Task[None]) -> None:
        """It has a task from now on."""
        self.state = State.STARTED
        self.task = task

    def end(self, outcome: str, error: CallError | None = None, decision: str = "") -> None:
        """Nothing more is to be done. outcome: by which the batch counts it."""
        self.state = State.ENDED
        self.span.end(outcome, error, decision)

    def lose(self) -> None:
        """Another worker may have it by now. If its call is in flight, that is waited for."""
        self.call_off()
        self.state = State.ENDED if self.state is State.SENT else State.LOST

    def call_off(self) -> None:
        """Cancel its task, where nothing has been sent."""
        # A task that finds out itself that its call must not be sent ends by itself.
        if self.task not in (None, asyncio.current_task()) and self.state is State.STARTED:
            self.task.cancel()
