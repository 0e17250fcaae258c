"""A batch in progress: reuse what was answered before, prepare, reserve, ask, save."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ruie.db import jobs, queue, results, spend
from ruie.db.sql import pieces
from ruie.errors import CallError, TransientCallError
from ruie.extractor import Extractor
from ruie.questions import Question
from ruie.schema import Schema
from ruie.worker.batches import settlement
from ruie.worker.batches.lanes import PREPARED_AT_A_TIME, Lane
from ruie.worker.batches.leases import Leases
from ruie.worker.batches.retries import Attempt, RetryPolicy, decide
from ruie.worker.batches.settlement import PendingCall
from ruie.worker.batches.store import Store

log = logging.getLogger("ruie.batch")


@dataclass(slots=True)
class Outcome:
    """What became of a batch's items."""

    leased: int = 0
    reused: int = 0
    saved: int = 0
    failed: int = 0
    returned: int = 0
    lost: int = 0
    """Items whose lease ran out, because it was not renewed in time."""


class LeasedBatch:
    """The items of one batch and what is known of their calls."""

    def __init__(
        self,
        store: Store,
        lane: Lane,
        job: jobs.Job,
        leased: Sequence[queue.LeasedItem],
        leases: Leases,
        policy: RetryPolicy,
        day_cap_nusd: int | None,
        encoder: asyncio.Lock,
        contexts: Mapping[int, str] | None = None,
    ) -> None:
        self.job = job
        self.items = {item.id: item for item in leased}
        """Held and not yet ended, by id."""
        self.outcome = Outcome(leased=len(leased))
        self._store = store
        self._leases = leases
        self._lane = lane
        self._schema = Schema.from_body(job.schema_body)
        self._policy = policy
        self._day_cap = day_cap_nusd
        self._encoder = encoder
        self._queries = {
            item.id: self._schema.query(
                item.task, item.text, item.trigger, (contexts or {}).get(item.document_id, "")
            )
            for item in leased
        }
        self._keys = {
            item.id: lane.key(job, item.overrides, self._queries[item.id]) for item in leased
        }
        self._sent: dict[int, PendingCall] = {}
        self._flying: set[int] = set()
        self._unsent: set[asyncio.Task[None]] = set()
        """What can still be called off: nothing of it has been sent."""
        self._waiting: dict[int, asyncio.Task[None]] = {}
        """Of these, the tasks of items, by the item's id."""
        self._called_off = False

    @property
    def suspect(self) -> bool:
        """Whether it may kill its process: then nothing else should be in it."""
        return any(item.losses >= queue.ALONE_FROM for item in self.items.values())

    def call_off(self) -> None:
        """Send nothing more; what was not sent is given back when the rest has ended."""
        self._called_off = True
        for task in list(self._unsent):
            task.cancel()

    async def renew(self) -> None:
        """Hold the leases for longer. An item that another worker may have by now is let go: its
        call is not sent any more, and one in flight is waited for."""
        for lost in await self._leases.renew(self.items.values()):
            item = self.items.pop(lost, None)
            if item is None:
                continue  # it ended meanwhile
            self.outcome.lost += 1
            if task := self._waiting.get(lost):
                task.cancel()
            if lost not in self._flying:
                not_sent = partial(settlement.not_sent, item=item, sent=self._sent.get(lost))
                await self._store.write(not_sent)

    async def give_back(self) -> None:
        """Everything that is still held goes back: unharmed, or with what it may have cost."""
        left = list(self.items.values())
        self.outcome.returned += len(left)
        unsent = [(i, self._sent.get(i.id)) for i in left if i.id not in self._flying]
        if unsent:
            await self._store.write(lambda conn: settlement.give_back(conn, unsent))
        for item in left:
            if item.id in self._flying:
                cut_off = partial(settlement.cut_off, item=item, sent=self._sent[item.id])
                await self._store.write(cut_off)

    async def feed(self, group: asyncio.TaskGroup) -> None:
        """Give every item a task of its own, as there is room."""
        if self._called_off:
            return
        feeding = group.create_task(self._feed(group))
        self._unsent.add(feeding)
        await asyncio.wait({feeding})  # it may be called off, which is no error
        self._unsent.discard(feeding)

    async def _feed(self, group: asyncio.TaskGroup) -> None:
        fresh = await self._reuse(list(self.items.values()))
        if self._day_cap is not None or self.job.cap_nusd is not None:
            models = {self._lane.extractor(self.job, item.overrides).model for item in fresh}
            if unpriced := next((m for m in models if self._lane.price(m) is None), None):
                await self._refuse(partial(settlement.refuse_unpriced, model=unpriced))
                return
        for few in pieces(fresh, PREPARED_AT_A_TIME):
            taken = 0
            try:
                for _ in few:
                    await self._lane.room.acquire()
                    taken += 1
                ready = await self._prepare(few)
                ready, full = await self._reserve(ready)
                for item, question in ready:
                    if item.id not in self.items:
                        continue  # its lease was lost meanwhile
                    task = group.create_task(self._in_flight(item, question))
                    self._unsent.add(task)
                    self._waiting[item.id] = task
                    # however the task ends, also if it never began
                    task.add_done_callback(lambda _: self._lane.room.release())
                    task.add_done_callback(partial(self._no_longer_waits, item.id))
                    taken -= 1
            finally:
                for _ in range(taken):
                    self._lane.room.release()
            if full is not None:
                await self._refuse(partial(settlement.refuse, denied=full))
                return

    async def _reuse(self, items: Sequence[queue.LeasedItem]) -> list[queue.LeasedItem]:
        """Link the items whose question was answered before; gives the others."""
        asked = [self._keys[item.id] for item in items]
        paid = await self._store.read(lambda conn: results.find_paid(conn, asked))
        fresh = []
        for item in items:
            answered = paid.get(self._keys[item.id])
            if answered is None:
                fresh.append(item)
                continue
            reuse = partial(
                settlement.reuse,
                item=item,
                paid=answered,
                sent=self._sent.get(item.id),
                roles=self._schema.events,
            )
            self.outcome.reused += bool(await self._store.write(reuse))
            self.items.pop(item.id, None)
        return fresh

    async def _prepare(
        self, few: Sequence[queue.LeasedItem]
    ) -> list[tuple[queue.LeasedItem, Question]]:
        """Questions, encoded together where they are asked alike."""
        alike: dict[int, tuple[Extractor, list[queue.LeasedItem]]] = {}
        for item in few:
            extractor = self._lane.extractor(self.job, item.overrides)
            alike.setdefault(id(extractor), (extractor, []))[1].append(item)
        ready: list[tuple[queue.LeasedItem, Question]] = []
        for extractor, items in alike.values():
            async with self._encoder:
                asked = [self._queries[item.id] for item in items]
                ready += zip(items, await asyncio.to_thread(extractor.prepare, asked), strict=True)
        return ready

    async def _reserve(
        self, ready: list[tuple[queue.LeasedItem, Question]]
    ) -> tuple[list[tuple[queue.LeasedItem, Question]], spend.Denied | None]:
        """Reserve the most that each call can cost; gives those that may go."""
        wanted = []
        for item, question in ready:
            price = self._lane.price(question.call.model)
            endpoint = self._lane.llm.base_url
            self._sent[item.id] = PendingCall(question.call.model, endpoint, price, None)
            if price is not None and (price.input or price.output):
                wanted.append((item, settlement.most_nusd(price, question)))
        if not wanted:
            return ready, None
        reserved, denied = await self._store.write(
            lambda conn: spend.reserve(conn, self.job.id, wanted, self._day_cap)
        )
        for item_id, reservation in reserved.items():
            self._sent[item_id] = replace(self._sent[item_id], reservation=reservation)
        free = {item.id for item, _ in ready} - {item.id for item, _ in wanted}
        return [each for each in ready if each[0].id in reserved or each[0].id in free], denied

    async def _refuse(self, refuse: Callable[..., None]) -> None:
        """What found no room under a cap goes back, with all that comes after it."""
        started = {item_id for item_id, sent in self._sent.items() if sent.reservation}
        rest = [item for item in self.items.values() if item.id not in started]
        await self._store.write(partial(refuse, job_id=self.job.id, unsent=rest))
        for item in rest:
            self.items.pop(item.id, None)
        self.outcome.returned += len(rest)

    async def _in_flight(self, item: queue.LeasedItem, question: Question) -> None:
        async with self._lane.in_flight:
            await self._one(item, question)

    def _no_longer_waits(self, item_id: int, task: asyncio.Task[None]) -> None:
        self._unsent.discard(task)
        self._waiting.pop(item_id, None)

    async def _one(self, item: queue.LeasedItem, question: Question) -> None:
        extractor = self._lane.extractor(self.job, item.overrides)
        sent = self._sent[item.id]
        task = self._waiting[item.id]

        async def sending() -> None:
            await self._check(item)
            self._no_longer_waits(item.id, task)
            self._flying.add(item.id)

        try:
            answer = await extractor.ask(question, sending)
            key = self._keys[item.id]
            saved = await self._store.write(
                lambda conn: settlement.save(
                    conn, self.job, item, extractor, answer, key, sent, self._schema.events
                )
            )
        except _NotSentError:
            return
        except Exception as error:
            # A fault of ours ends this item and not the batch: it is counted like any other.
            if not isinstance(error, CallError):
                log.exception("%s of document %d", item.task, item.document_id)
                error = TransientCallError(
                    f"{type(error).__name__}: {error}", maybe_charged=item.id in self._flying
                )
            if item.id in self.items:
                await self._failed(item, question, extractor, error)
            return
        held = self.items.pop(item.id, None)
        if saved:
            self.outcome.saved += 1
        elif held:
            self.outcome.lost += 1

    async def _check(self, item: queue.LeasedItem) -> None:
        """Just before a call is sent: raises `_NotSentError` where it would be paid for twice.

        A renewal that is overdue is made now, so that nothing is sent under a lease that may have
        run out. An item that an earlier worker lost may have that worker's answer by now.
        """
        if self._leases.overdue:
            await self.renew()
        if item.id in self.items and item.losses:
            await self._reuse([item])
        if item.id not in self.items:
            raise _NotSentError

    async def _failed(
        self, item: queue.LeasedItem, question: Question, extractor: Extractor, error: CallError
    ) -> None:
        attempt = Attempt(
            item.attempts,
            question.call.max_tokens,
            min(extractor.decoding.demonstrations, len(question.demonstrations)),
            lengthened=item.overrides.max_tokens is not None,
        )
        decision = decide(error, attempt, self._policy)
        log.info("%s of document %d: %s, %s", item.task, item.document_id, error.kind, decision)
        self.outcome.failed += 1
        await self._store.write(
            lambda conn: settlement.fail(conn, item, question, error, decision, self._sent[item.id])
        )
        self.items.pop(item.id, None)


class _NotSentError(Exception):
    """The call need not, or must not, be sent."""
