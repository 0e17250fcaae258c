"""A batch that waits for its lane, while batches of other classes of jobs wait too."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.endpoint import ScriptedEndpoint, answer
from support.job_database import JobDatabase

from ruie.db import migrate
from ruie.db.engine import open_engine
from ruie.db.jobs import Priority
from ruie.llm import LLMClient
from ruie.worker.batches.demonstrations import Demonstrations
from ruie.worker.batches.lanes import Lane
from ruie.worker.batches.outcome import Outcome
from ruie.worker.batches.retries import RetryPolicy
from ruie.worker.batches.runner import BatchRunner
from ruie.worker.batches.store import Store

ITEMS = 40
"""It takes seconds until all are started, one call at a time: the next batch of the class waits."""


def sent(database: JobDatabase, priority: Priority) -> str:
    """The id of a batch of a job of its own."""
    job = database.job(priority=int(priority))
    database.enqueue(job, [f"Crude fell in {job} {number} ." for number in range(ITEMS)])
    (batch,) = database.dispatch(job, limit=ITEMS, size=ITEMS)
    return batch.id


@pytest.mark.parametrize("free", [False, True])
def test_it_is_put_back_only_where_another_class_has_its_lane_free(
    tmp_path: Path, free: bool
) -> None:
    url = f"sqlite:///{tmp_path}/ruie.db"
    engine = open_engine(url)
    migrate.upgrade(engine)
    database = JobDatabase(engine)
    classes = [Priority.NORMAL, Priority.BACKFILL, Priority.NORMAL]
    taken = [(sent(database, each), each) for each in classes]
    sent(database, Priority.LIVE if free else Priority.BACKFILL)  # which nobody takes

    async def run(endpoint: ScriptedEndpoint) -> list[Outcome]:
        store = Store(open_engine(url))
        lanes = {
            each: Lane(
                each, LLMClient(endpoint.url, max_in_flight=1), Demonstrations(None), "small",
                lambda _: None,
            )
            for each in Priority
        }  # fmt: skip  # a lane
        runner = BatchRunner(
            store, lanes.__getitem__, "w", lease_s=60.0, grace_s=1.0, policy=RetryPolicy()
        )
        running = []
        for batch_id, each in taken:
            running.append(asyncio.create_task(runner.run(batch_id, each, lambda: None)))
            await asyncio.sleep(0)  # it enters before the next
        outcomes = await asyncio.gather(*running)
        for lane in lanes.values():
            await lane.llm.close()
        store.close()
        return outcomes

    with ScriptedEndpoint(answer("None", delay_s=0.1)) as endpoint:
        *_, last = asyncio.run(run(endpoint))
    engine.dispose()
    assert last == (Outcome() if free else Outcome(leased=ITEMS, saved=ITEMS))
