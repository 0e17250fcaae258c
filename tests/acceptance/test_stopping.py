"""SIGTERM, pause and cancel: what is in flight may end, everything else is given back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from support.endpoint import HANG, Reply, ScriptedEndpoint, answer, failure
from support.fleet import Fleet
from support.waiting import wait_until

from ruie.db import job_states
from ruie.schema import Schema

SCHEMA = Schema("names", entities={"person": ""})
ROWS = [{"id": f"d{i}", "text": f"Ada met Bo in {1900 + i} ."} for i in range(30)]
PATIENT = [{"id": "h", "text": "Hal waits ."}]


def script(body: dict[str, Any], _: int) -> Reply:
    """A question about Hal is never answered; a long answer is cut off once."""
    prompt = body["messages"][-1]["content"]
    if "Hal" in prompt:
        return HANG
    if "Ida" in prompt and body["max_tokens"] < 512:
        return answer("person: Ida; person: met; person: Bo", finish_reason="length")
    if "Jo" in prompt and len(body["messages"]) > 4:
        return failure(400, message="This exceeds the context length", code="")
    return answer("person: Ada", delay_s=0.1)


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(script) as running:
        yield running


@pytest.fixture
def fleet(
    tmp_path: Path, database_url: str, bundle_path: Path, endpoint: ScriptedEndpoint
) -> Iterator[Fleet]:
    with Fleet(
        tmp_path,
        database_url,
        bundle_path,
        endpoint.url,
        llm_max_in_flight=2,
        stop_grace_s=1.0,
        lease_s=20.0,
    ) as running:
        running.start("coordinator")
        yield running


def rows(fleet: Fleet, sql: str) -> list[tuple[Any, ...]]:
    with fleet.client.engine.connect() as conn:
        return [tuple(row) for row in conn.execute(text(sql))]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_item_whose_call_does_not_end_is_given_back_after_the_grace_period(
    fleet: Fleet, endpoint: ScriptedEndpoint
) -> None:
    worker = fleet.start("worker")
    fleet.client.enqueue(PATIENT, SCHEMA)
    wait_until(lambda: endpoint.in_flight == 1)

    assert worker.terminate() == 0
    assert rows(fleet, "SELECT state, attempts FROM work_items") == [("pending", 0)]
    # it may have been charged, so it is on the books
    assert rows(fleet, "SELECT error_class, attempt FROM attempts") == [("transient", 1)]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_was_not_sent_is_given_back_at_once(fleet: Fleet, endpoint: ScriptedEndpoint) -> None:
    worker = fleet.start("worker", RUIE_STOP_GRACE_S="600")
    texts = [{"id": f"h{i}", "text": f"Hal waits since {1900 + i} ."} for i in range(8)]
    fleet.client.enqueue(texts, SCHEMA)
    wait_until(lambda: endpoint.in_flight == 1)  # the others wait for what it says of the endpoint
    leased = "SELECT COUNT(*) FROM work_items WHERE state = 'leased'"
    assert rows(fleet, leased) == [(8,)]

    os.kill(worker.pid, signal.SIGTERM)
    wait_until(lambda: rows(fleet, leased) == [(1,)])
    assert worker.alive
    assert endpoint.in_flight == 1
    worker.kill()
    assert rows(fleet, leased) == [(1,)]
    assert (
        rows(fleet, "SELECT state, attempts FROM work_items WHERE state != 'leased'")
        == [("pending", 0)] * 7
    )


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_paused_job_stops_within_a_call_and_keeps_what_it_has(
    fleet: Fleet, endpoint: ScriptedEndpoint
) -> None:
    fleet.start("worker")
    job_id = fleet.client.enqueue(ROWS, SCHEMA).job_id
    wait_until(lambda: fleet.client.progress(job_id).done >= 4)
    with fleet.client.engine.begin() as conn:
        job_states.set_job_state(conn, job_id, "paused", "by hand")
    time.sleep(2.0)  # the job is checked each second, and a call ends
    calls, done = endpoint.count, fleet.client.progress(job_id).done
    time.sleep(1.0)
    assert (endpoint.count, fleet.client.progress(job_id).done) == (calls, done)
    assert done == calls < 30
    assert rows(fleet, "SELECT COUNT(*) FROM work_items WHERE state = 'leased'") == [(0,)]

    with fleet.client.engine.begin() as conn:
        job_states.set_job_state(conn, job_id, "running")
    fleet.wait_done(job_id)
    assert endpoint.count == 30  # nothing was paid for twice


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_long_answers_and_long_prompts_are_retried_with_overrides(
    fleet: Fleet, endpoint: ScriptedEndpoint
) -> None:
    fleet.start("worker")
    texts = [{"id": "long", "text": "Ida met Bo ."}, {"id": "big", "text": "Jo met Bo ."}]
    job_id = fleet.client.enqueue(texts, SCHEMA).job_id
    fleet.wait_done(job_id)
    calls = sorted((r.body["max_tokens"], len(r.body["messages"])) for r in endpoint.requests)
    # eight demonstrations, then two, then none; or an answer twice as long
    assert calls == [(256, 1), (256, 5), (256, 17), (256, 17), (512, 17)]
    failed = rows(fleet, "SELECT error_class FROM attempts ORDER BY error_class")
    assert failed == [("context_too_long",), ("context_too_long",), ("truncated",)]
    assert {state for (state,) in rows(fleet, "SELECT state FROM work_items")} == {"done"}

    again = fleet.client.enqueue(texts, SCHEMA)
    fleet.wait_done(again.job_id)
    assert len(endpoint.requests) == 5  # they have the keys of the job's questions all the same
    forced = fleet.client.enqueue(texts[:1], SCHEMA, force=True)
    fleet.wait_done(forced.job_id)
    assert len(endpoint.requests) == 7
