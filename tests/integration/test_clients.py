"""`Client` and `AsyncClient` from rows to records, against a real database, Redis and endpoint.

What a call gives is asserted for mypy too: `make types` fails where a type changes.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, assert_type

import pyarrow as pa
import pytest
from sqlalchemy import create_engine
from support.databases import Server
from support.endpoint import Reply, ScriptedEndpoint, answer
from support.pipeline import work_off
from support.waiting import PATIENCE_S

from ruie.annotations import load_corpus
from ruie.client import (
    AsyncClient,
    BundleInUse,
    Client,
    DocumentRecords,
    Enqueued,
    Estimate,
    Imported,
    Job,
    JobProgress,
    QuarantinedItem,
    Settings,
)
from ruie.errors import DatabaseError, UnavailableError, UsageError
from ruie.schema import Schema
from ruie.settings import load

SCHEMA = Schema("news", entities={"person": "", "place": ""})
ROWS = [{"id": name, "text": f"{name} went to Rome ."} for name in ("Ada", "Grace", "Joan")]
PEOPLE = ["Ada", "Grace", "Joan"]


class Model:
    """Finds the first word; while `broken`, it says nothing that can be read."""

    broken = False

    def __call__(self, body: Mapping[str, Any], number: int) -> Reply:
        sentence = body["messages"][-1]["content"].rsplit("Sentence: ", 1)[-1]
        return answer("I am sorry" if self.broken else f"person: {sentence.split()[0]}")


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def config(
    sqlite_server: Server, url: str, tmp_path: Path, bundle_path: Path, model: Model
) -> Iterator[Settings]:
    with ScriptedEndpoint(model) as endpoint:
        yield load(
            database_url=sqlite_server.current(),
            redis_url=url,
            home=tmp_path,
            llm_base_url=endpoint.url,
            llm_model="scripted",
            llm_prices={"scripted": (1.0, 4.0)},
            bundle=bundle_path,
            demonstrations=1,
            batch_size=8,
            max_attempts=1,
        )


@pytest.fixture
def client(config: Settings) -> Iterator[Client]:
    with Client(config) as opened:
        yield opened


def people(documents: list[DocumentRecords]) -> list[str]:
    return sorted(entity.span.text for document in documents for entity in document.entities)


def test_from_rows_to_records(client: Client, tmp_path: Path) -> None:
    (tmp_path / "news.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    estimate = client.estimate([tmp_path / "news.jsonl"], SCHEMA)
    assert_type(estimate, Estimate)
    assert estimate.calls == 3
    enqueued = client.enqueue(ROWS, SCHEMA, name="people", cap_usd=1.0)
    assert_type(enqueued, Enqueued)
    assert work_off(client.config, enqueued.job_id) == "done"
    ended = client.wait(enqueued.job_id)
    assert_type(ended, JobProgress)
    assert (ended.ok, ended.documents, ended.done) == (True, 3, 3)

    documents = list(client.results(enqueued.job_id))
    assert_type(documents, list[DocumentRecords])
    assert people(documents) == PEOPLE
    assert list(client.results(enqueued.job_id, limit=2)) == documents[:2]
    entities = client.to_arrow(enqueued.job_id)
    assert isinstance(entities, pa.Table)
    assert sorted(entities.column("text").to_pylist()) == PEOPLE
    texts = client.to_arrow(enqueued.job_id, "documents")
    assert sorted(texts.column("external_id").to_pylist()) == PEOPLE
    assert client.to_arrow(enqueued.job_id, "relations").num_rows == 0

    job = client.job(enqueued.job_id)
    assert_type(job, Job)
    bundle = client.bundle()
    assert_type(bundle, BundleInUse)
    assert bundle.digest == job.bundle_digest
    assert bundle.path == client.config.bundle
    assert bundle.demonstrations == 420
    assert "oil" in " ".join(bundle.schemas)


def test_what_was_given_up_is_retried(client: Client, model: Model) -> None:
    model.broken = True
    job = client.enqueue(ROWS, SCHEMA).job_id
    assert work_off(client.config, job) == "done"
    assert client.wait(job).ok is False
    # a document without an answer says so
    assert [document.answered for document in client.results(job)] == [frozenset()] * 3
    assert client.to_arrow(job, "documents").column("answered").to_pylist() == [[]] * 3
    given_up = client.quarantined(job)
    assert_type(given_up, list[QuarantinedItem])
    assert [item.error_class for item in given_up] == ["output"] * 3
    assert client.quarantined(job, error_class="timeout") == []

    model.broken = False
    assert client.retry(job, error_class="timeout") == 0
    assert_type(client.retry(job), int)
    assert client.progress(job).state == "running"
    assert work_off(client.config, job) == "done"
    assert client.wait(job).ok
    assert people(list(client.results(job))) == PEOPLE
    assert client.retry(job) == 0


def test_a_retry_with_a_model_without_a_price_is_refused_where_there_is_a_cap(
    client: Client,
) -> None:
    job = client.enqueue(ROWS, SCHEMA, cap_usd=1.0).job_id
    with pytest.raises(UsageError, match="A cap needs a price, and none is known for other"):
        client.retry(job, model="other")


def test_a_job_is_paused_resumed_and_cancelled(client: Client) -> None:
    job = client.enqueue(ROWS, SCHEMA).job_id
    client.pause(job)
    paused = client.progress(job)
    assert (paused.state, paused.paused_by) == ("paused", "person")
    assert work_off(client.config, job) == "paused"
    with pytest.raises(UnavailableError, match="is still paused after 0 s"):
        client.wait(job, 0)
    client.resume(job)
    assert client.progress(job).state == "running"
    client.cancel(job)
    assert client.wait(job).state == "cancelled"
    with pytest.raises(DatabaseError, match="is cancelled and cannot become running"):
        client.resume(job)


CALLS: list[Callable[[Client], object]] = [
    lambda c: c.pause("job_0"),
    lambda c: c.resume("job_0"),
    lambda c: c.cancel("job_0"),
    lambda c: c.retry("job_0"),
    lambda c: c.results("job_0"),  # before the first document is asked for
    lambda c: c.to_arrow("job_0"),
    lambda c: c.wait("job_0"),
    lambda c: c.import_reviews("job_0", "none.jsonl"),
    lambda c: c.export_reviews("out.jsonl", "job_0"),
]


@pytest.mark.parametrize("call", range(len(CALLS)))
def test_every_call_says_that_there_is_no_such_job(client: Client, call: int) -> None:
    with pytest.raises(DatabaseError, match="There is no job job_0"):
        CALLS[call](client)


def test_corrections_come_in_and_go_out(client: Client, tmp_path: Path) -> None:
    job = client.enqueue(ROWS, SCHEMA).job_id
    assert work_off(client.config, job) == "done"
    corrected, gold = tmp_path / "corrected.jsonl", tmp_path / "gold.jsonl"
    lines = []
    for document in client.results(job):
        place = document.text.index("Rome")
        found = [{"type": "place", "text": "Rome", "start": place, "end": place + 4}]
        lines.append({"id": document.external_id, "text": document.text, "entities": found})
    lines.append({"id": "nobody", "text": "Nobody .", "entities": []})
    corrected.write_text("".join(json.dumps(line) + "\n" for line in lines))

    imported = client.import_reviews(job, corrected, reviewer="one")
    assert_type(imported, Imported)
    assert (imported.stored, imported.unchanged, len(imported.problems)) == (3, 0, 1)
    assert "has no document 'nobody'" in str(imported.problems[0])
    assert client.import_reviews(job, corrected).unchanged == 3
    assert client.export_reviews(gold, job) == 3
    with pytest.raises(UsageError, match="exists"):
        client.export_reviews(gold, job)
    assert client.export_reviews(gold, overwrite=True) == 3
    items = [item for shown in load_corpus(gold).demonstrations() for item in shown.items]
    assert [item.spans[0].text for item in items] == ["Rome"] * 3


def test_an_engine_that_was_given_stays_open(config: Settings) -> None:
    with Client(config) as first:
        with Client(config, first.engine) as second:
            assert second.jobs() == []
        pool = first.engine.pool
        assert first.engine.pool is pool
    assert first.engine.pool is not pool  # disposed of


# AsyncClient


def test_it_has_every_call_of_the_client() -> None:
    inner = {"check_retry"}
    public = {name for name in dir(Client) if not name.startswith("_")} - inner
    assert public == {name for name in dir(AsyncClient) if not name.startswith("_")}
    assert AsyncClient.pause.__doc__ == Client.pause.__doc__


def test_the_same_on_an_event_loop(config: Settings, tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncClient(config) as client:
            assert_type(client, AsyncClient)
            enqueued = await client.enqueue(ROWS, SCHEMA, name="people", cap_usd=1.0)
            assert_type(enqueued, Enqueued)
            job = enqueued.job_id
            await client.pause(job)
            assert (await client.progress(job)).state == "paused"
            await client.resume(job)
            ended, state = await asyncio.gather(
                client.wait(job), asyncio.to_thread(work_off, config, job)
            )
            assert_type(ended, JobProgress)
            assert (ended.ok, state) == (True, "done")
            found = client.results(job)
            assert_type(found, AsyncIterator[DocumentRecords])
            assert people([document async for document in found]) == PEOPLE
            assert (await client.to_arrow(job, "entities")).num_rows == 3
            assert await client.retry(job) == 0
            assert [one.name for one in await client.jobs()] == ["people"]
            with pytest.raises(UsageError, match="There is no review"):
                await client.export_reviews(tmp_path / "gold.jsonl", job)

    asyncio.run(main())


def test_the_event_loop_goes_on_while_a_call_waits_for_the_database(config: Settings) -> None:
    """A writer holds the database until another coroutine lets go of it."""
    holder = create_engine(config.database_url, connect_args={"isolation_level": None})

    async def main() -> None:
        async with AsyncClient(config) as client:
            job = (await client.enqueue(ROWS, SCHEMA)).job_id
            with holder.connect() as conn:
                conn.exec_driver_sql("BEGIN IMMEDIATE")
                pausing = asyncio.create_task(client.pause(job))
                while not any("asyncio_" in thread.name for thread in threading.enumerate()):
                    await asyncio.sleep(0)
                assert (await client.progress(job)).state == "running"
                assert not pausing.done()
                conn.exec_driver_sql("ROLLBACK")
            await pausing
            assert (await client.progress(job)).state == "paused"

    asyncio.run(main())
    holder.dispose()


def test_many_wait_at_once_and_one_that_is_cancelled_waits_no_longer(config: Settings) -> None:
    """As many as a loop has threads for would otherwise keep every other call from being made."""

    def waiting() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if "ruie-wait" in thread.name]

    async def main() -> None:
        async with AsyncClient(config) as client:
            job = (await client.enqueue(ROWS, SCHEMA)).job_id
            waits = [asyncio.create_task(client.wait(job)) for _ in range(40)]
            while len(waiting()) < 40:
                await asyncio.sleep(0)
            with pytest.raises(UnavailableError, match="still running after 0"):
                await client.wait(job, 0.01)
            for wait in waits[1:]:
                wait.cancel()
            await asyncio.wait(waits[1:])
            while len(waiting()) > 1:
                await asyncio.sleep(0.01)
            await client.cancel(job)
            assert (await waits[0]).state == "cancelled"

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))


def test_it_opens_the_database_with_its_first_call(tmp_path: Path) -> None:
    missing = load(database_url=f"sqlite:///{tmp_path}/none/ruie.db")
    client = AsyncClient(missing)
    with pytest.raises(UnavailableError):
        asyncio.run(client.jobs())
    asyncio.run(client.close())


async def wrong_calls(client: AsyncClient) -> None:
    """Never called: mypy has to notice what is wrong in it."""
    await client.enqueue(ROWS, SCHEMA, nmae="x")  # type: ignore[call-arg]  # no such option
    await client.to_arrow("job_0", "entity")  # type: ignore[arg-type]  # no such table
    await client.retry(0)  # type: ignore[arg-type]  # an id is a str
