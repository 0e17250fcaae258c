"""An endpoint that fails in every way, and a document that kills each process that sends it."""

from __future__ import annotations

from collections import Counter

import pytest
from support.corpus import POISON
from support.metering import FAULTS, MIXED
from support.scene import IN_FLIGHT, Scene


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
def test_a_document_that_kills_its_worker(scene: Scene) -> None:
    """Its items are quarantined as `worker_lost`, and no others; everything else is done."""
    scene.enqueue(30, poison=17)
    scene.until_closed(120)
    log = scene.endpoint.log()
    kills = sum(entry.fault == "poison" for entry in log)
    scene.audit(lost_calls=IN_FLIGHT * kills, log=log, may_fail=("poison",))
    reasons = scene.scalar(
        "SELECT STRING_AGG(DISTINCT error_class, ' ') FROM quarantine WHERE job_id = :job",
        job=scene.job_id,
    )
    assert reasons == "worker_lost"
    assert any(row["text"].startswith(POISON) for row in scene.corpus)
