"""Answers are saved in groups: how many may wait for that, and what one that is refused means for
the others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import pytest
from sqlalchemy import Engine, event, text
from support.endpoint import ScriptedEndpoint, answer
from support.waiting import wait_until_async

from ruie.db import jobs, queue
from ruie.db.engine import open_engine
from ruie.db.job_settings import JobSettings
from ruie.db.jobs import Priority
from ruie.decoding import Decoding
from ruie.llm import LLMClient
from ruie.records import Task
from ruie.schema import Schema
from ruie.worker.batches.demonstrations import Demonstrations
from ruie.worker.batches.lanes import Lane
from ruie.worker.batches.outcome import Outcome
from ruie.worker.batches.retries import RetryPolicy
from ruie.worker.batches.runner import BatchRunner
from ruie.worker.batches.store import Store

SCHEMA = Schema("names", entities={"person": ""})
IN_FLIGHT = 4


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


class Bench:
    """A worker's process, as an event loop has it, that is given batches one by one."""

    def __init__(self, engine: Engine, endpoint: ScriptedEndpoint) -> None:
        self._engine = engine
        self._llm = LLMClient(endpoint.url, max_in_flight=IN_FLIGHT)
        lane = Lane(
            Priority.NORMAL, self._llm, Demonstrations(None), "scripted", lambda model: None
        )
        self.own = open_engine(engine.url.render_as_string(False))
        self._store = Store(self.own)
        policy = RetryPolicy()
        self._runner = BatchRunner(
            self._store, lambda _: lane, "w", lease_s=60.0, grace_s=5.0, policy=policy
        )
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
        with engine.begin() as conn:
            self._job_id = jobs.create_job(conn, new)

    async def work(self, *texts: str) -> Outcome:
        rows = [queue.NewDocument(each, each) for each in texts]
        with self._engine.begin() as conn:
            queue.enqueue_documents(conn, self._job_id, rows, (Task.NER,))
            (batch,) = queue.dispatch(conn, self._job_id, 100, 100, 60)
        return await self._runner.run(batch.id, Priority.NORMAL, lambda: None)

    async def __aenter__(self) -> Self:
        await self.work("Ada was here.")  # a model's first call is made alone
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._llm.close()
        self._store.close()


@contextmanager
def nothing_is_saved(engine: Engine) -> Iterator[None]:
    """Others wait with what they write, and read what they like."""
    with engine.begin() as conn:
        if engine.dialect.name == "postgresql":
            conn.execute(text("LOCK TABLE extractions IN EXCLUSIVE MODE"))
        yield


def one(engine: Engine, sql: str) -> Any:
    with engine.connect() as conn:
        return conn.execute(text(sql)).scalar_one()


def test_no_more_is_asked_than_a_crash_may_cost(engine: Engine) -> None:
    """As many calls as may be in flight, and as many answers that wait to be saved."""
    commits: list[object] = []
    texts = [f"Ada number {n} was here." for n in range(5 * IN_FLIGHT)]

    async def scene(endpoint: ScriptedEndpoint) -> Outcome:
        async with Bench(engine, endpoint) as bench:
            working = asyncio.create_task(bench.work(*texts))
            await wait_until_async(lambda: endpoint.count > 1)
            with nothing_is_saved(engine):
                await wait_until_async(lambda: endpoint.count == 1 + 2 * IN_FLIGHT)
                await asyncio.sleep(1.5)  # more than all the other answers take
                assert endpoint.count == 1 + 2 * IN_FLIGHT
                event.listen(bench.own, "commit", commits.append)
            return await working

    with ScriptedEndpoint(lambda *_: answer("person: Ada", delay_s=0.5)) as endpoint:
        outcome = asyncio.run(scene(endpoint))
    assert outcome.saved == 5 * IN_FLIGHT
    assert one(engine, "SELECT COUNT(*) FROM extractions") == 1 + outcome.saved
    assert 0 < len(commits) < outcome.saved


@pytest.mark.parametrize(
    ("table", "refused"),
    [("extractions", "raw_output = 'person: Bob'"), ("entities", "text = 'Bob'")],
)
def test_an_answer_that_is_refused_keeps_no_other_from_being_saved(
    engine: Engine, table: str, refused: str
) -> None:
    with engine.begin() as conn:
        if engine.dialect.name == "postgresql":
            conn.execute(text(f"ALTER TABLE {table} ADD CHECK (NOT {refused})"))
        else:
            conn.exec_driver_sql(
                f"CREATE TRIGGER refusing BEFORE INSERT ON {table} WHEN NEW.{refused}"
                " BEGIN SELECT RAISE(ABORT, 'refused'); END"
            )

    def script(body: dict[str, Any], number: int) -> Any:
        return answer("person: Bob" if number == 2 else "person: Ada", delay_s=0.5)

    async def scene(endpoint: ScriptedEndpoint) -> Outcome:
        async with Bench(engine, endpoint) as bench:
            return await bench.work(*(f"Ada and Bob, {n}." for n in range(IN_FLIGHT)))

    with ScriptedEndpoint(script) as endpoint:
        outcome = asyncio.run(scene(endpoint))
    assert (outcome.saved, outcome.failed) == (IN_FLIGHT - 1, 1)
    assert one(engine, "SELECT COUNT(*) FROM extractions") == IN_FLIGHT
    assert one(engine, "SELECT COUNT(*) FROM work_items WHERE state = 'retry'") == 1
    assert "IntegrityError" in one(engine, "SELECT error FROM attempts")
