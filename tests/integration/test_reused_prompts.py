"""What was answered to a prompt is not asked again, whatever chose its demonstrations."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from support.endpoint import Reply, ScriptedEndpoint, answer

from ruie.db import erasure, forget, jobs, migrate, queue
from ruie.db.engine import open_engine
from ruie.db.job_settings import JobSettings
from ruie.db.jobs import Priority
from ruie.decoding import Decoding
from ruie.llm import LLMClient
from ruie.records import Demonstration, Item, Query, Span, Task
from ruie.schema import Schema
from ruie.worker.batches.demonstrations import Demonstrations
from ruie.worker.batches.lanes import Lane
from ruie.worker.batches.outcome import Outcome
from ruie.worker.batches.retries import RetryPolicy
from ruie.worker.batches.runner import BatchRunner
from ruie.worker.batches.store import Store
from ruie.worker.prices import Price

SCHEMA = Schema("names", entities={"person": ""}, events={"move": ("who",)})
TEXTS = ["Ada met Bo .", "Cy moved , and Ada moved ."]


class Retriever:
    """Gives each query the same demonstrations, under the digest of a bundle."""

    def __init__(self, digest: str, *names: str) -> None:
        self.digest = digest
        self._names = names

    def retrieve(self, queries: Sequence[Query], k: int) -> list[list[Demonstration]]:
        return [
            [_demonstration(name) for name in self._names[:k]] if q.task is Task.NER else []
            for q in queries
        ]


def _demonstration(name: str) -> Demonstration:
    said = f"{name} slept ."
    items = (Item("person", (Span(name, 0, len(name)),)),)
    return Demonstration(name, Task.NER, "names", ("person",), said, items)


@pytest.fixture
def engine(upgraded: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{upgraded}")
    yield opened
    opened.dispose()


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(right_answer) as running:
        yield running


def right_answer(body: dict[str, Any], _: int) -> Reply:
    """As a model that finds Ada, who moves."""
    *_, asked = body["messages"][-1]["content"].rstrip().rpartition("\n")
    return answer({"Events:": "move: moved", "Arguments:": "who: Ada"}.get(asked, "person: Ada"))


def process(
    engine: Engine,
    endpoint: ScriptedEndpoint,
    retriever: Retriever,
    texts: Sequence[str] = TEXTS,
    **job: Any,
) -> Outcome:
    """All items of a new job, those that follow from its events too; the sum of the outcomes."""
    new = jobs.NewJob(
        "n", "names", SCHEMA.body(), SCHEMA.digest, "m", "", "5", JobSettings(Decoding()), **job
    )
    with engine.begin() as conn:
        job_id = jobs.create_job(conn, new)
        rows = [queue.NewDocument(each, each) for each in texts]
        queue.enqueue_documents(conn, job_id, rows, SCHEMA.tasks)

    async def run() -> Outcome:
        llm = LLMClient(endpoint.url, max_in_flight=1)
        lane = Lane(
            Priority.NORMAL, llm, Demonstrations(retriever), "m", {"m": Price(1.0, 1.0)}.get
        )
        store = Store(open_engine(engine.url.render_as_string(False)))
        runner = BatchRunner(
            store, lambda _: lane, "w", lease_s=60.0, grace_s=1.0, policy=RetryPolicy()
        )
        total = Outcome()
        while True:
            with engine.begin() as conn:
                batches = queue.dispatch(conn, job_id, 100, 100, 60)
            if not batches:
                break
            for batch in batches:
                made = await runner.run(batch.id, Priority.NORMAL, lambda: None)
                total.leased += made.leased
                total.reused += made.reused
                total.saved += made.saved
        await llm.close()
        store.close()
        return total

    return asyncio.run(run())


def rows(engine: Engine, statement: str) -> list[tuple[Any, ...]]:
    with engine.connect() as conn:
        return [tuple(row) for row in conn.execute(text(statement))]


RECORDS = """SELECT job_id, document_id, type, char_start FROM entity_mentions UNION ALL
    SELECT job_id, document_id, trigger_text || argument_text, argument_start FROM event_mentions
    ORDER BY 1, 2, 3, 4"""


def test_only_prompts_that_changed_are_asked_again(
    engine: Engine, endpoint: ScriptedEndpoint
) -> None:
    process(engine, endpoint, Retriever("a" * 64, "Eve", "Max"))
    asked = endpoint.count
    second = process(engine, endpoint, Retriever("b" * 64, "Max", "Eve"))
    # the demonstrations of entities come in another order; events have none
    assert second == Outcome(leased=5, saved=2, reused=3)
    assert endpoint.count == asked + 2
    third = process(engine, endpoint, Retriever("c" * 64, "Eve", "Max"))
    assert third == Outcome(leased=5, reused=5)
    assert endpoint.count == asked + 2

    by_job = [[row[1:] for row in rows(engine, RECORDS) if row[0] == job] for (job,) in
              rows(engine, "SELECT id FROM jobs ORDER BY id")]  # fmt: skip  # one list
    assert by_job[0] == by_job[1] == by_job[2] != []
    reused = "SELECT bundle_digest, COUNT(*), SUM(cost_usd), SUM(prompt_tokens) FROM extractions"
    assert rows(engine, f"{reused} WHERE reused_from IS NOT NULL GROUP BY 1 ORDER BY 1") == [
        ("b" * 64, 3, 0, 0),
        ("c" * 64, 5, 0, 0),
    ]


def test_an_answer_is_read_anew_where_the_white_space_differs(
    engine: Engine, endpoint: ScriptedEndpoint
) -> None:
    bundle = Retriever("a" * 64, "Eve")
    process(engine, endpoint, bundle, ["Cy moved , and Ada moved ."])
    asked = endpoint.count
    other = "Cy  moved ,\n\tand   Ada moved ."
    assert process(engine, endpoint, bundle, [other]).saved == 0
    assert endpoint.count == asked
    found = rows(
        engine,
        "SELECT e.text, e.char_start, d.text FROM entities e"
        " JOIN documents d ON d.id = e.document_id ORDER BY e.id",
    )
    assert [(where.index(name), start) for name, start, where in found] == [(15, 15), (19, 19)]
    arguments = rows(engine, "SELECT char_start FROM event_arguments ORDER BY id")
    assert arguments == [(15,), (19,)]


def test_a_job_that_is_to_ask_again_does(engine: Engine, endpoint: ScriptedEndpoint) -> None:
    process(engine, endpoint, Retriever("a" * 64, "Eve"))
    asked = endpoint.count
    process(engine, endpoint, Retriever("b" * 64, "Eve"), forced=True)
    assert endpoint.count == 2 * asked


def test_what_was_forgotten_is_answered_to_nobody(
    engine: Engine, endpoint: ScriptedEndpoint
) -> None:
    bundle = Retriever("a" * 64, "Eve")
    process(engine, endpoint, bundle, ["Ada moved ."])
    asked = endpoint.count
    with engine.begin() as conn:
        forget.mark(conn, [1])
        erasure.blank(conn, [1])
    process(engine, endpoint, bundle, ["Ada  moved ."])
    assert endpoint.count == 2 * asked


def test_what_an_earlier_version_sent_has_no_key_and_is_found_by_its_question(
    engine: Engine, endpoint: ScriptedEndpoint
) -> None:
    bundle = Retriever("a" * 64, "Eve")
    process(engine, endpoint, bundle)
    asked = endpoint.count
    migrate.downgrade(engine, "0014")
    migrate.upgrade(engine)
    assert process(engine, endpoint, bundle) == Outcome(leased=5, reused=5)
    assert endpoint.count == asked
