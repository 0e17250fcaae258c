"""An endpoint that misbehaves, and a document that kills whoever asks about it."""

from __future__ import annotations

from collections import Counter

from support.corpus import POISON
from support.metering import FAULTS
from support.scene import IN_FLIGHT, Scene


def test_an_endpoint_of_which_a_fifth_goes_wrong(scene: Scene) -> None:
    """Every kind of fault; an item is given up only where its answer was cut short."""
    scene.behave(faults=0.2)
    scene.enqueue(80)
    scene.until_closed(90)
    log = scene.audit()
    kinds = Counter(entry.fault for entry in log if entry.fault in FAULTS)
    assert len(kinds) >= len(FAULTS) - 1, f"too little went wrong: {kinds}"


def test_a_document_that_kills_its_worker(scene: Scene) -> None:
    """It is quarantined alone, as lost workers; everything else is done."""
    scene.enqueue(40, poison=17)
    scene.until_closed(90)
    log = scene.endpoint.log()
    kills = sum(entry.fault == "poison" for entry in log)
    scene.audit(lost_calls=IN_FLIGHT * kills, log=log, may_fail=("poison",))
    reasons = scene.scalar(
        "SELECT STRING_AGG(DISTINCT error_class, ' ') FROM quarantine WHERE job_id = :job",
        job=scene.job_id,
    )
    assert reasons == "worker_lost"
    assert any(row["text"].startswith(POISON) for row in scene.corpus)
