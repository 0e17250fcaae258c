"""A worker that is stopped while it reserves money for calls which it then never makes."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from sqlalchemy import text
from support.endpoint import ScriptedEndpoint, answer

from ruie.db import jobs, queue, spend
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
from ruie.worker.prices import Price

SCHEMA = Schema("names", entities={"person": ""})


def test_what_was_reserved_meanwhile_is_refunded(database_url: str) -> None:
    engine = open_engine(database_url)
    accounts = ExitStack()

    def price(_: str) -> Price:
        """Asked for once a batch is leased: from now on nobody can reserve."""
        if not holding:
            conn = accounts.enter_context(engine.begin())
            if engine.dialect.name == "postgresql":
                conn.execute(text("LOCK TABLE spend_accounts IN EXCLUSIVE MODE"))
            holding.append(conn)
        return Price(1.0, 4.0)

    async def scene(endpoint: ScriptedEndpoint) -> Outcome:
        llm = LLMClient(endpoint.url, max_in_flight=4)
        lane = Lane(Priority.NORMAL, llm, Demonstrations(None), "scripted", price)
        store = Store(open_engine(database_url))
        runner = BatchRunner(
            store, lambda _: lane, "w", lease_s=60.0, grace_s=5.0, policy=RetryPolicy()
        )
        working = asyncio.create_task(runner.run(batch.id, Priority.NORMAL, lambda: None))
        await asyncio.sleep(1.5)  # by now it waits for the accounts
        runner.stop()
        await asyncio.sleep(0.5)
        accounts.close()
        try:
            return await working
        finally:
            await llm.close()
            store.close()

    holding: list[object] = []
    new = jobs.NewJob(
        "names", "names", SCHEMA.body(), "", "scripted", "", "1", JobSettings(Decoding())
    )
    with engine.begin() as conn:
        job_id = jobs.create_job(conn, new)
        rows = [queue.NewDocument(f"Ada {n} was here.", f"d{n}") for n in range(8)]
        queue.enqueue_documents(conn, job_id, rows, (Task.NER,))
        (batch,) = queue.dispatch(conn, job_id, 100, 100, 60)
    with ScriptedEndpoint(lambda *_: answer("person: Ada")) as endpoint:
        outcome = asyncio.run(scene(endpoint))
        assert endpoint.count == 0
    assert (outcome.leased, outcome.returned) == (8, 8)
    with engine.begin() as conn:
        assert spend.committed_nusd(conn, job_id) == 0
        assert conn.execute(text("SELECT MAX(committed_nusd) FROM spend_accounts")).scalar_one() > 0
    engine.dispose()
