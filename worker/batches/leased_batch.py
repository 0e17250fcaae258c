"""A batch in progress: reuse what was answered before, prepare, reserve, call, save."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ruie.db import jobs, provider_requests, queue, reservations
from ruie.db.sql import pieces
from ruie.errors import EndpointAwayError
from ruie.extractor import Extractor
from ruie.llm import Call
from ruie.modes import is_batch
from ruie.questions import Answer, Question
from ruie.schema import Schema
from ruie.worker.batches import reuse, settlement, submission
from ruie.worker.batches.aftermath import Aftermath
from ruie.worker.batches.batch_item import BatchItem, PendingCall, State
from ruie.worker.batches.demonstrations import Shown
from ruie.worker.batches.lanes import PREPARED_AT_A_TIME, Lane, Slot
from ruie.worker.batches.leases import Leases
from ruie.worker.batches.lines import record_lines
from ruie.worker.batches.outcome import Outcome
from ruie.worker.batches.recording import Saving
from ruie.worker.batches.reservations import covered, reserve
from ruie.worker.batches.retries import RetryPolicy
from ruie.worker.batches.saver import Saver
from ruie.worker.batches.store import Store
from ruie.worker.logs import identify
from ruie.worker.tracing.spans import UNTRACED_BATCH, BatchSpan

Prepared = tuple[BatchItem, Question]


class LeasedBatch:
    """The items of one batch; each has a task of its own from its prompt to its record."""

    def __init__(
        self,
        store: Store,
        saver: Saver,
        lane: Lane,
        job: jobs.Job,
        leased: Sequence[queue.LeasedItem],
        leases: Leases,
        policy: RetryPolicy,
        day_cap_nusd: int | None,
        encoder: asyncio.Lock,
        contexts: Mapping[int, str],
        shown: Shown,
        span: BatchSpan = UNTRACED_BATCH,
    ) -> None:
        self.job = job
        self.outcome = Outcome(leased=len(leased))
        self._store = store
        self._saver = saver
        self._leases = leases
        self._lane = lane
        self._schema = Schema.from_body(job.schema_body)
        self._policy = policy
        self._day_cap = day_cap_nusd
        self._encoder = encoder
        self._shown = shown
        self._span = span
        self._items = [self._item(each, contexts.get(each.document_id, "")) for each in leased]
        self._aftermath = Aftermath(store, lane, job.id, policy, self.call_off)
        self._feeding: asyncio.Task[None] | None = None
        self._called_off = False

    def _item(self, leased: queue.LeasedItem, context: str) -> BatchItem:
        query = self._schema.query(leased.task, leased.text, leased.trigger, context)
        key = self._lane.key(self.job, leased.overrides, query, self._shown)
        extractor = self._lane.extractor(self.job, leased.overrides, self._shown)
        price = self._lane.price(extractor.model)
        call = PendingCall(extractor.model, self._lane.llm.base_url, price)
        span = self._span.item(leased)
        return BatchItem(leased, query, key, extractor, call, self._shown, span)

    @property
    def suspect(self) -> bool:
        """Whether it may kill its process: then nothing else should be in it."""
        return any(item.leased.losses >= queue.ALONE_FROM for item in self._held())

    async def feed(self, group: asyncio.TaskGroup) -> None:
        """Start every item, as there is room."""
        if not self._called_off:
            self._feeding = group.create_task(self._feed(group))
            await asyncio.wait({self._feeding})  # it may be called off, which is no error

    def call_off(self) -> None:
        """Send nothing more; what was not sent is to be given back."""
        self._called_off = True
        if self._feeding is not None:
            self._feeding.cancel()
        for item in self._items:
            item.call_off()

    async def renew(self) -> None:
        """Hold the leases for longer. An item that another worker may have by now is let go: its
        call is not sent any more, and one in flight is waited for."""
        lost = await self._leases.renew([item.leased for item in self._held()])
        for item in self._held():
            if item.leased.id in lost:
                self.outcome.lost += 1
                item.lose()
        await self._withdraw()

    async def give_back_unsent(self) -> None:
        """What was called off goes back, and does not wait for calls in flight."""
        tasks = [self._feeding, *(item.task for item in self._items)]
        if ending := {task for task in tasks if task is not None and task.cancelling()}:
            await asyncio.wait(ending)
        if unsent := [item for item in self._held() if item.state is not State.SENT]:
            await self._store.write(partial(settlement.give_back, items=unsent))
            self._returned(unsent)

    async def give_back(self) -> None:
        """Everything that is still held goes back: unharmed, or with what it may have cost."""
        await self._withdraw()
        await self.give_back_unsent()
        for item in self._held():
            await self._store.write(partial(settlement.cut_off, item=item))
            self._returned([item])

    def _returned(self, items: Sequence[BatchItem]) -> None:
        self.outcome.returned += len(items)
        for item in items:
            item.end("returned")

    async def _withdraw(self) -> None:
        """Nothing was spent on items that were lost before their calls were sent."""
        if lost := [item for item in self._items if item.state is State.LOST]:
            await self._store.write(partial(settlement.withdraw, items=lost))
            for item in lost:
                item.end("lost")

    def _held(self) -> list[BatchItem]:
        return [item for item in self._items if item.held]

    async def _feed(self, group: asyncio.TaskGroup) -> None:
        batched = await self._store.read(provider_requests.any_kept)
        if batched:
            own = (self._store, self._lane, self.job)
            await record_lines(
                *own, self._items, self._schema.events, self._policy, self._aftermath, self.outcome
            )
        await self._reuse(self._held())
        if batched:
            await submission.await_others(self._store, self._held(), self.outcome)
        fresh = self._held()
        if unpriced := self._unpriced(fresh):
            await self._refuse(partial(settlement.refuse_unpriced, model=unpriced))
            return
        for some in pieces(fresh, PREPARED_AT_A_TIME):
            denied = await self._start(group, some)
            if denied is not None:
                await self._refuse(partial(settlement.refuse, denied=denied))
                return

    async def _reuse(self, items: Sequence[BatchItem]) -> None:
        """End the items whose question was answered before."""
        self.outcome.reused += await reuse.by_question(self._store, items, self._schema.events)

    def _unpriced(self, items: Sequence[BatchItem]) -> str | None:
        """A model for which a cap cannot be held, because its price is not known."""
        if self._day_cap is None and self.job.cap_nusd is None:
            return None
        return next((item.call.model for item in items if item.call.price is None), None)

    async def _start(
        self, group: asyncio.TaskGroup, items: Sequence[BatchItem]
    ) -> reservations.Denied | None:
        """Start the items for which there is money; returns why others were denied it."""
        if self._store.far:
            self._lane.widen()
        with self._lane.slots() as slots:
            await slots.take(len(items))
            prepared = await self._prepare([item for item in items if item.held])
            self.outcome.reused += await reuse.by_prompt(
                self._store, self.job, prepared, self._schema.events
            )
            prepared = [each for each in prepared if each[0].held]
            together = [each for each in prepared if is_batch(each[1].call.parameters)]
            if together:
                alone = [each for each in prepared if each not in together]
                first, denied = await submission.send(
                    self._store, self._lane, self.job.id, together, self._day_cap, self.outcome
                )
                if denied is not None:
                    return denied
                prepared = alone + first
            affordable, denied = await self._reserve(prepared)
            for item, question in affordable:
                if item.held:
                    slot = slots.hand_over()
                    task = group.create_task(self._process(item, question, slot))
                    task.add_done_callback(slot.free)  # also if it never began
                    item.start(task)
        return denied

    async def _prepare(self, items: Sequence[BatchItem]) -> list[Prepared]:
        """Questions, encoded together where they have the same extractor."""
        alike: dict[int, tuple[Extractor, list[BatchItem]]] = {}
        for item in items:
            alike.setdefault(id(item.extractor), (item.extractor, []))[1].append(item)
        prepared: list[Prepared] = []
        for extractor, together in alike.values():
            queries = [item.query for item in together]
            async with self._encoder:
                with self._span.preparing(len(queries)):
                    questions = await asyncio.to_thread(extractor.prepare, queries)
            prepared += zip(together, questions, strict=True)
        return prepared

    async def _reserve(
        self, prepared: list[Prepared]
    ) -> tuple[list[Prepared], reservations.Denied | None]:
        """Reserve the most that each call can cost; returns those that may be made."""
        calls = [(item, self._lane.llm.limited(question.call)) for item, question in prepared]
        denied = await reserve(self._store, self.job.id, calls, self._day_cap)
        return [p for p in prepared if p[0].call.reservation or not p[0].call.has_cost], denied

    async def _refuse(self, refuse: Callable[..., None]) -> None:
        """What a cap leaves no room for goes back, with all that comes after it."""
        waiting = [item for item in self._items if item.state is State.WAITING]
        await self._store.write(partial(refuse, job_id=self.job.id, items=waiting))
        self._returned(waiting)

    async def _process(self, item: BatchItem, question: Question, slot: Slot) -> None:
        identify(item_id=item.leased.id, document_id=item.leased.document_id)
        with item.span.working():
            async with self._lane.in_flight:
                answer = await self._ask(item, question)
                if answer is not None:
                    await self._lane.unsaved.acquire()
            slot.free()
            if answer is not None:
                await self._record(item, question, answer)

    async def _ask(self, item: BatchItem, question: Question) -> Answer | None:
        """None: there is no answer, and the item has ended or is given back later."""
        try:
            return await item.extractor.ask(question, partial(self._sending, item))
        except _NotSentError:
            pass
        except EndpointAwayError:
            self.call_off()
        except Exception as error:
            await self._fail(item, question, error)
        return None

    async def _record(self, item: BatchItem, question: Question, answer: Answer) -> None:
        try:
            with item.span.saving():
                saved = await self._saver.save(Saving(self.job, item, answer, self._schema.events))
        except Exception as error:
            await self._fail(item, question, error)
            return
        finally:
            self._lane.unsaved.release()
        if saved:
            self._aftermath.answered()
            self.outcome.saved += 1
        elif item.held:
            self.outcome.lost += 1
        item.end("saved" if saved else "lost")

    async def _fail(self, item: BatchItem, question: Question, error: Exception) -> None:
        if item.held:
            self.outcome.failed += 1
            await self._aftermath.fail(item, question, error)
        else:
            item.end("lost")

    async def _sending(self, item: BatchItem, call: Call) -> None:
        """Just before a call is sent: raises `_NotSentError` where it would be paid for twice, or
        may cost more than was reserved, because its model was found out to think.

        A renewal that is overdue is made now, so that nothing is sent under a lease that may have
        run out. An item that an earlier worker lost may have that worker's answer by now.
        """
        if self._leases.overdue:
            await self.renew()
        if item.held and item.leased.losses:
            await self._reuse([item])
        if not item.held or not covered(item.call, call):
            raise _NotSentError
        item.state = State.SENT


class _NotSentError(Exception):
    """The call need not, or must not, be sent."""
