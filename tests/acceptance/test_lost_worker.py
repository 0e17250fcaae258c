"""A worker killed with `kill -9` in the middle of a batch: the job ends, without duplicates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from support.endpoint import Reply, ScriptedEndpoint, answer
from support.fleet import Fleet
from support.waiting import wait_until

from ruie.schema import Schema

SCHEMA = Schema(
    "names",
    entities={"person": "", "place": ""},
    relations={"lives in": ""},
    events={"move": ("who", "where")},
)
NAMES = ("Ada", "Bo", "Cy", "Di", "Ed", "Flo", "Gus", "Hal", "Ida", "Jo")
PLACES = ("Oslo", "Rome", "Lima", "Bonn", "Cork", "Kyiv")
ROWS = [
    {"id": f"d{i}", "text": f"{NAMES[i % 10]} moved to {PLACES[i % 6]} in {1900 + i} ."}
    for i in range(40)
]


def right_answer(body: dict[str, Any], _: int) -> Reply:
    """A perfect model's answer, after some time: a batch takes long enough to be killed in."""
    prompt = body["messages"][-1]["content"]
    words = re.findall(r"Sentence: (\w+) moved to (\w+)", prompt)[-1]
    task = prompt.rsplit("\n", 1)[-1]
    reply = {
        "Entities:": f"person: {words[0]}; place: {words[1]}",
        "Relations:": f"lives in: {words[0]}, {words[1]}",
        "Events:": "move: moved",
        "Arguments:": f"who: {words[0]}; where: {words[1]}",
    }[task.strip()]
    return answer(reply, delay_s=0.15)


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(right_answer) as running:
        yield running


@pytest.fixture
def fleet(
    tmp_path: Path, database_url: str, bundle_path: Path, endpoint: ScriptedEndpoint
) -> Iterator[Fleet]:
    # what a killed worker held comes back after the lease; what Redis lost is sent again
    settings = {"llm_max_in_flight": 2, "lease_s": 8.0, "dispatch_s": 8.0}
    with Fleet(tmp_path, database_url, bundle_path, endpoint.url, **settings) as running:
        yield running


LEASED = "SELECT COUNT(*) FROM work_items WHERE state = 'leased'"


def counts(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    with engine.connect() as conn:
        return [tuple(row) for row in conn.execute(text(sql))]


def audit(fleet: Fleet, job_id: str) -> None:
    """Every document has exactly one result for each task, no record exists twice, and the records
    are those of a run in which nothing went wrong."""
    engine = fleet.client.engine
    items = counts(engine, "SELECT task, state, COUNT(*) FROM work_items GROUP BY task, state")
    assert sorted(items) == [(task, "done", 40) for task in ("EAE", "ED", "NER", "RE")]
    results = "SELECT chunk_id, task, COUNT(*) FROM extractions GROUP BY chunk_id, task"
    assert {row[2] for row in counts(engine, results)} == {1}
    (bundle,) = counts(engine, "SELECT DISTINCT bundle_digest FROM extractions")
    assert counts(engine, "SELECT DISTINCT bundle_digest FROM jobs") == [bundle] != [("",)]
    entities = counts(engine, "SELECT external_id, type, text FROM entity_mentions")
    wanted = Counter(
        (row["id"], kind, word)
        for row in ROWS
        for kind, word in zip(("person", "place"), row["text"].split()[0:4:3], strict=True)
    )
    assert Counter(entities) == wanted
    relations = counts(engine, "SELECT external_id, head_text, tail_text FROM relation_mentions")
    assert len(relations) == len(set(relations)) == 40
    arguments = counts(engine, "SELECT external_id, role, argument_text FROM event_mentions")
    assert len(arguments) == len(set(arguments)) == 80
    assert fleet.client.progress(job_id).quarantined == 0


def wait_until_done(fleet: Fleet, job_id: str, many: int) -> None:
    wait_until(lambda: fleet.client.progress(job_id).done >= many)


@pytest.mark.parametrize(
    "database_url", [pytest.param("sqlite", marks=pytest.mark.slow), "postgresql"], indirect=True
)
def test_a_worker_killed_in_the_middle_of_a_batch_loses_nothing(
    fleet: Fleet, endpoint: ScriptedEndpoint
) -> None:
    fleet.start("coordinator")
    worker = fleet.start("worker")
    job_id = fleet.client.enqueue(ROWS, SCHEMA).job_id

    wait_until_done(fleet, job_id, 12)
    wait_until(lambda: counts(fleet.client.engine, LEASED)[0][0] > 0)
    worker.kill()
    assert counts(fleet.client.engine, LEASED)[0][0] > 0, "no item was leased when it died"
    fleet.start("worker")

    fleet.wait_done(job_id)
    audit(fleet, job_id)
    # paid twice is at most what was in flight when it was killed
    calls = endpoint.count
    assert 160 <= calls <= 160 + 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_redis_killed_and_empty_loses_nothing(fleet: Fleet) -> None:
    coordinator, worker = fleet.start("coordinator"), fleet.start("worker")
    job_id = fleet.client.enqueue(ROWS, SCHEMA).job_id

    wait_until_done(fleet, job_id, 12)
    fleet.restart_redis()
    assert coordinator.alive
    assert worker.alive

    fleet.wait_done(job_id)
    audit(fleet, job_id)


@pytest.mark.slow  # the short form: tests/chaos/test_leaders.py
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_second_coordinator_takes_over(fleet: Fleet) -> None:
    first = fleet.start("coordinator")
    wait_until(lambda: "leading" in first.output())
    second = fleet.start("coordinator")
    fleet.start("worker")
    job_id = fleet.client.enqueue(ROWS, SCHEMA).job_id

    wait_until_done(fleet, job_id, 12)
    assert "leading" not in second.output()
    first.kill()

    fleet.wait_done(job_id)
    assert "leading" in second.output()
    audit(fleet, job_id)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_that_stops_finishes_its_calls(fleet: Fleet, endpoint: ScriptedEndpoint) -> None:
    fleet.start("coordinator")
    worker = fleet.start("worker")
    job_id = fleet.client.enqueue(ROWS, SCHEMA).job_id

    wait_until_done(fleet, job_id, 12)
    assert worker.terminate() == 0
    assert counts(fleet.client.engine, LEASED) == [(0,)]
    fleet.start("worker")

    fleet.wait_done(job_id)
    audit(fleet, job_id)
    assert endpoint.count == 160


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_same_corpus_again_costs_nothing(fleet: Fleet, endpoint: ScriptedEndpoint) -> None:
    fleet.start("coordinator")
    fleet.start("worker")
    first = fleet.client.enqueue(ROWS, SCHEMA).job_id
    fleet.wait_done(first)
    paid = endpoint.count

    again = fleet.client.enqueue([*ROWS, {"id": "new", "text": "Ada moved to Rome ."}], SCHEMA)
    fleet.wait_done(again.job_id)

    assert endpoint.count == paid + 4  # those of the one new document
    assert fleet.client.progress(again.job_id).done == 164
    assert again.new_documents == 1
