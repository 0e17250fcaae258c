"""An endpoint that fails in every way, and a document that kills each process that sends it."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from sqlalchemy import text
from support.corpus import POISON
from support.metering import FAULTS, MIXED
from support.scene import AT_RISK, IN_FLIGHT, Scene
from support.waiting import wait_until

from ruie.db import job_states
from ruie.llm.gate import REFUSED_ITEMS

MORE_THAN_ONE = """SELECT w.id, w.task, w.attempts, w.losses, w.throttled, a.attempt, a.error_class,
    a.created_at AS failed_at, x.created_at AS answered_at, x.latency_s
FROM work_items w LEFT JOIN attempts a ON a.work_item_id = w.id
LEFT JOIN extractions x ON x.id = w.extraction_id
WHERE w.job_id = :job AND w.attempts <> 1 ORDER BY w.id, a.id"""


@pytest.mark.scene("endpoint")
@pytest.mark.parametrize(
    ("documents", "patience_s"),
    [
        pytest.param(30, 120, id="30 documents"),
        pytest.param(
            400, 900, id="400 documents", marks=[pytest.mark.slow, pytest.mark.timeout(1200)]
        ),
    ],
)
def test_an_endpoint_that_fails_a_fifth_of_its_calls(
    scene: Scene, documents: int, patience_s: float
) -> None:
    """With every kind of fault; an item is given up only if its answer was truncated twice."""
    scene.behave(faults=0.2, kinds=MIXED)
    scene.enqueue(documents)
    scene.until_closed(patience_s)
    log = scene.audit()
    kinds = Counter(entry.fault for entry in log if entry.fault in FAULTS)
    assert len(kinds) >= len(FAULTS) - 3, f"too few kinds of faults: {kinds}"


@pytest.mark.scene("poison")
@pytest.mark.slow
def test_a_document_that_kills_its_worker(scene: Scene) -> None:
    """Its items are quarantined as `worker_lost`, and no others; everything else is done."""
    scene.enqueue(30, poison=17)
    scene.until_closed()
    log = scene.endpoint.log()
    kills = sum(entry.fault == "poison" for entry in log)
    scene.audit(lost_calls=AT_RISK * kills, log=log, may_fail=("poison",))
    reasons = scene.scalar(
        "SELECT STRING_AGG(DISTINCT error_class, ' ') FROM quarantine WHERE job_id = :job",
        job=scene.job_id,
    )
    assert reasons == "worker_lost"
    assert any(row["text"].startswith(POISON) for row in scene.corpus)


@pytest.mark.scene("endpoint away")
@pytest.mark.parametrize("kind", ["500", pytest.param("hang", marks=pytest.mark.slow)])
def test_an_endpoint_that_is_away_in_mid_job(scene: Scene, kind: str) -> None:
    """All calls fail for some seconds: the fleet waits, uses up no attempts meanwhile, gives
    nothing up, and goes on by itself."""
    client = scene.fleet.client
    scene.enqueue(60)
    scene.until_done(20)
    before = scene.endpoint.count()
    scene.behave(faults=1.0, kinds=(kind,), most=0)
    wait_until(lambda: bool(client.endpoints_away()))
    wait_until(lambda: any(away.failures > 1 for away in client.endpoints_away()))
    sent = scene.endpoint.count() - before
    assert sent <= 2 * IN_FLIGHT * len(scene.alive("worker")) + 4, "the fleet goes on calling"
    scene.behave()
    scene.until_closed()
    scene.audit()
    assert client.endpoints_away() == []
    with scene.engine.connect() as conn:
        used_up = conn.execute(text(MORE_THAN_ONE), {"job": scene.job_id}).all()
    assert used_up == []
    scene.figures.append(f"{sent} calls in an outage")


@pytest.mark.scene("account")
def test_a_key_that_is_refused_in_mid_job(scene: Scene) -> None:
    """The job pauses with the provider's words after a few calls, loses nothing, and resumes."""
    client = scene.fleet.client
    scene.enqueue(60)
    scene.until_done(20)
    before = scene.endpoint.count()
    scene.behave(faults=1.0, kinds=("401",), most=0)
    wait_until(lambda: client.progress(scene.job_id).state == "paused")
    time.sleep(2)
    sent = scene.endpoint.count() - before
    # Those in flight; two more in each process, for which the first two refusals make room (it is
    # the third that counts); and a few that are made alone until the pause is seen.
    assert sent <= (IN_FLIGHT + REFUSED_ITEMS - 1) * len(scene.alive("worker")) + 4
    assert "Incorrect API key provided." in str(client.progress(scene.job_id).reason)
    scene.behave()
    with scene.engine.begin() as conn:
        job_states.set_job_state(conn, scene.job_id, "running")
    scene.until_closed()
    scene.audit()


@pytest.mark.scene("configuration")
def test_a_request_that_is_refused_for_every_item(scene: Scene) -> None:
    """A refusal that does not say why: after a few different items the job pauses, and none is
    given up."""
    client = scene.fleet.client
    scene.behave(faults=1.0, kinds=("400",), most=0)
    before = scene.endpoint.count()
    scene.enqueue(40)
    wait_until(lambda: client.progress(scene.job_id).state == "paused")
    time.sleep(2)
    sent = scene.endpoint.count() - before
    assert sent <= IN_FLIGHT * len(scene.alive("worker")) + 8
    assert "Something is wrong with your request." in str(client.progress(scene.job_id).reason)
    assert client.progress(scene.job_id).quarantined == 0
    scene.behave()
    with scene.engine.begin() as conn:
        job_states.set_job_state(conn, scene.job_id, "running")
    scene.until_closed()
    scene.audit()
