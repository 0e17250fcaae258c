"""Leases that run out while their worker is alive: on a machine with too little CPU, or one that
was stopped. Nothing is sent under such a lease, and what was paid for is kept."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text
from support.endpoint import ScriptedEndpoint, answer
from support.waiting import PATIENCE_S, wait_until_async

from ruie.db import jobs, queue, spend
from ruie.db.engine import open_engine
from ruie.db.job_settings import JobSettings
from ruie.db.jobs import Priority
from ruie.decoding import Decoding
from ruie.errors import CallError
from ruie.llm import Call, CallHook, Completion, LLMClient
from ruie.records import Task
from ruie.schema import Schema
from ruie.worker.batches.demonstrations import Demonstrations
from ruie.worker.batches.lanes import Lane
from ruie.worker.batches.outcome import Outcome
from ruie.worker.batches.retries import RetryPolicy
from ruie.worker.batches.runner import BatchRunner
from ruie.worker.batches.store import CONNECTIONS, Store
from ruie.worker.prices import Price, cost_nusd

LEASE_S = 0.6
SCHEMA = Schema("names", entities={"person": ""})
PRICE = Price(1.0, 4.0)


class Gate(CallHook):
    """Calls wait here until `open` is set; `arrive` is called as each comes."""

    def __init__(self, arrive: Callable[[], object] = int) -> None:
        self.open = asyncio.Event()
        self.waiting = 0
        self._arrive = arrive

    async def before(self, call: Call) -> None:
        self.waiting += 1
        self._arrive()
        await self.open.wait()

    async def after(self, permit: Any, call: Call, outcome: Completion | CallError) -> None:
        pass


class Bench:
    """A job of some documents, and workers that are given its batches one by one."""

    def __init__(self, engine: Engine, endpoint: ScriptedEndpoint, documents: int) -> None:
        self.engine = engine
        self.endpoint = endpoint
        new = jobs.NewJob(
            name="names",
            schema_name="names",
            schema_body=SCHEMA.body(),
            schema_digest="",
            model="scripted",
            endpoint=endpoint.url,
            prompt_version="1",
            settings=JobSettings(Decoding(max_tokens=48, demonstrations=0)),
        )
        rows = [queue.NewDocument(f"Ada number {n} was here.", f"d{n}") for n in range(documents)]
        with engine.begin() as conn:
            self.job_id = jobs.create_job(conn, new)
            queue.enqueue_documents(conn, self.job_id, rows, (Task.NER,))

    async def work(self, hook: CallHook | None = None) -> Outcome:
        """A worker with one call in flight takes everything that is pending."""
        with self.engine.begin() as conn:
            (batch,) = queue.dispatch(conn, self.job_id, 100, 100, 60)
        llm = LLMClient(self.endpoint.url, max_in_flight=1, hook=hook)
        lane = Lane(Priority.NORMAL, llm, Demonstrations(None), "scripted", lambda model: PRICE)
        store = Store(open_engine(self.engine.url.render_as_string(False)))
        runner = BatchRunner(
            store,
            lambda priority: lane,
            "worker",
            lease_s=LEASE_S,
            grace_s=5,
            policy=RetryPolicy(),
        )
        try:
            return await runner.run(batch.id, Priority.NORMAL, lambda: None)
        finally:
            await llm.close()
            await asyncio.to_thread(store.close)

    def lose(self) -> None:
        """Every lease runs out before it is renewed, and the coordinator sees it."""
        with self.engine.begin() as conn:
            expire = "UPDATE work_items SET lease_expires = '2020-01-01' WHERE state = 'leased'"
            conn.exec_driver_sql(expire)
            assert queue.reap(conn, 5)[0] > 0

    def one(self, sql: str) -> Any:
        with self.engine.connect() as conn:
            return conn.execute(text(sql)).scalar_one()

    def committed(self) -> int:
        with self.engine.begin() as conn:
            return spend.committed_nusd(conn, self.job_id)

    def cost(self) -> int:
        """Of the answers that are kept."""
        with self.engine.connect() as conn:
            rows = conn.execute(
                text("SELECT prompt_tokens, completion_tokens FROM extractions")
            ).all()
        return sum(cost_nusd(PRICE, row[0], row[1]) for row in rows)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


def slow(body: dict[str, Any], number: int) -> Any:
    return answer("person: Ada", delay_s=1.5 if number == 0 else 0)


def test_what_waits_is_not_sent_once_its_lease_is_lost(engine: Engine) -> None:
    async def scene(bench: Bench) -> None:
        working = asyncio.create_task(bench.work())
        await wait_until_async(lambda: bench.endpoint.count)
        bench.lose()
        outcome = await working
        assert bench.endpoint.count == 1
        assert (outcome.saved, outcome.lost) == (0, 3)
        assert bench.one("SELECT COUNT(*) FROM attempts") == 0
        assert bench.committed() == bench.cost() > 0

        assert (await bench.work()).reused == 1
        assert bench.endpoint.count == 3
        assert bench.committed() == bench.cost()
        assert bench.one("SELECT COUNT(*) FROM work_items WHERE state = 'done'") == 3

    with ScriptedEndpoint(slow) as endpoint:
        asyncio.run(scene(Bench(engine, endpoint, 3)))


def test_an_answer_that_comes_after_its_lease_is_kept_and_booked_once(engine: Engine) -> None:
    async def scene(bench: Bench) -> None:
        working = asyncio.create_task(bench.work())
        await wait_until_async(lambda: bench.endpoint.count)
        bench.lose()
        assert bench.one("SELECT COUNT(*) FROM attempts") == 1
        await working
        assert bench.one("SELECT state FROM work_items") == "pending"
        assert bench.one("SELECT COUNT(*) FROM entities") == 1
        assert bench.one("SELECT COUNT(*) FROM entity_mentions") == 0
        assert bench.one("SELECT calls FROM spend_by_day") == 1
        assert bench.one("SELECT failed_calls FROM spend_by_day") == 0
        assert bench.committed() == bench.cost() > 0

        await bench.work()
        assert bench.endpoint.count == 1
        assert bench.one("SELECT COUNT(*) FROM entity_mentions") == 1
        assert bench.committed() == bench.cost()

    with ScriptedEndpoint(slow) as endpoint:
        asyncio.run(scene(Bench(engine, endpoint, 1)))


def test_both_calls_are_booked_where_the_item_was_sent_again(engine: Engine) -> None:
    """The second worker sent its call before the first one's answer came: both were paid for."""

    async def scene(bench: Bench) -> None:
        first = asyncio.create_task(bench.work())
        await wait_until_async(lambda: bench.endpoint.count)
        bench.lose()
        assert (await bench.work()).saved == 1
        await first
        assert bench.endpoint.count == 2
        assert bench.one("SELECT COUNT(*) FROM extractions") == 1
        assert bench.one("SELECT error_class FROM attempts") == "answered_elsewhere"
        assert bench.one("SELECT calls + failed_calls FROM spend_by_day") == 2
        assert bench.committed() == 2 * bench.cost()

    with ScriptedEndpoint(slow) as endpoint:
        asyncio.run(scene(Bench(engine, endpoint, 1)))


def test_a_lost_item_is_looked_up_again_just_before_its_call_is_sent(engine: Engine) -> None:
    """The first worker's answer comes while the second waits for the limiter."""

    answered = threading.Event()

    async def scene(bench: Bench) -> None:
        first = asyncio.create_task(bench.work())
        await wait_until_async(lambda: bench.endpoint.count)
        bench.lose()
        gate = Gate()
        second = asyncio.create_task(bench.work(gate))
        await wait_until_async(lambda: gate.waiting)
        answered.set()
        await first
        gate.open.set()
        assert (await second).reused == 1
        assert bench.endpoint.count == 1
        assert bench.one("SELECT state FROM work_items") == "done"
        assert bench.committed() == bench.cost()

    def held(body: dict[str, Any], number: int) -> Any:
        assert answered.wait(PATIENCE_S)
        return answer("person: Ada")

    with ScriptedEndpoint(held) as endpoint:
        asyncio.run(scene(Bench(engine, endpoint, 1)))


@pytest.mark.parametrize("documents", [1, 3])
def test_a_renewal_that_is_overdue_is_made_before_a_call_is_sent(
    engine: Engine, documents: int
) -> None:
    """The event loop stands still past the lease, as in a process that gets no CPU."""

    async def scene(bench: Bench) -> None:
        def stand_still() -> None:
            time.sleep(2 * LEASE_S)
            bench.lose()

        gate = Gate(stand_still)
        gate.open.set()
        assert (await bench.work(gate)).lost == documents
        assert bench.endpoint.count == 0
        assert bench.one("SELECT COUNT(*) FROM attempts") == 0
        assert bench.committed() == 0

    with ScriptedEndpoint(slow) as endpoint:
        asyncio.run(scene(Bench(engine, endpoint, documents)))


def test_a_renewal_goes_ahead_of_other_transactions(engine: Engine) -> None:
    order: list[str] = []
    at_once = CONNECTIONS if engine.dialect.name == "postgresql" else 1
    begun = [f"begun {number}" for number in range(at_once)]

    def transaction(name: str) -> Callable[[object], None]:
        def run(_: object) -> None:
            order.append(name)
            time.sleep(0.2)  # the others come meanwhile

        return run

    async def scene() -> None:
        store = Store(engine)
        writes = [store.write(transaction(name)) for name in (*begun, "second", "third")]
        together = asyncio.gather(*writes)
        await asyncio.sleep(0)
        await store.write(transaction("renewal"), urgent=True)
        await together
        store.close()

    asyncio.run(scene())
    assert set(order[:at_once]) == set(begun)
    assert order[at_once] == "renewal"
