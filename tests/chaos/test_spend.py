"""Caps on spend, by the endpoint's own charges: never exceeded, whatever fails meanwhile."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text
from support.scene import AT_RISK, Scene
from support.waiting import wait_until

from ruie.db import job_states, spend

NUSD = 1_000_000_000
CAP_USD = 0.01
"""About a third of what the corpus costs."""
A_CALL_NUSD = 1_500_000
"""More than is reserved for any call of the corpus: one token for each byte in, 48 out."""


@pytest.mark.scene("job's cap")
def test_a_job_pauses_at_its_cap_and_continues_when_it_is_raised(scene: Scene) -> None:
    """With failed calls that are charged for, and a worker killed with calls in flight."""
    scene.behave(faults=0.1, kinds=("500", "hang", "cut", "garbage"))
    scene.enqueue(50, cap_usd=CAP_USD)
    scene.until_done(40)
    scene.kill(scene.alive("worker")[0])
    scene.start("worker")
    wait_until(lambda: scene.fleet.client.progress(scene.job_id).state == "paused")
    # no more calls are sent, and those in flight have ended
    wait_until(lambda: all(entry.ended for entry in scene.mine()))

    bill = sum(entry.nusd for entry in scene.mine())
    most = CAP_USD * NUSD
    assert bill <= most, f"the bill is {bill / NUSD:.6f} USD, the cap {CAP_USD} USD"
    # calls that may have been charged count against the cap with the most they can cost
    with scene.engine.begin() as conn:
        committed = spend.committed_nusd(conn, scene.job_id)
    assert bill <= committed <= most
    assert most - committed < A_CALL_NUSD, f"it paused with {committed / most:.0%} of its cap used"

    with scene.engine.begin() as conn:
        job_states.set_cap(conn, scene.job_id, 10 * round(most))
    scene.until_closed()
    scene.audit(cap_nusd=10 * round(most))


TARIFF = {
    "input": 1.0, "output": 4.0, "cached": 0.1, "cache_write": 1.25,
    "flex": {"input": 0.5, "output": 2.0, "cached": 0.05, "cache_write": 0.625},
}  # fmt: skip  # USD for a million tokens
_BOOKED = """SELECT ROUND(CAST(SUM(cost_usd) AS numeric) * 1000000000), SUM(cached_tokens),
    SUM(cache_write_tokens), SUM(reasoning_tokens)
FROM (SELECT job_id, cost_usd, cached_tokens, cache_write_tokens, reasoning_tokens FROM extractions
    UNION ALL
    SELECT job_id, cost_usd, cached_tokens, cache_write_tokens, reasoning_tokens FROM attempts) c
WHERE job_id = :job"""


@pytest.mark.scene("tariff")
@pytest.mark.slow
def test_the_books_equal_the_bill_with_caches_reasoning_and_flex(scene: Scene) -> None:
    """A part of each prompt is cached or written, the model thinks, and a third of the calls for
    flex is served, and charged, as others are; some calls fail, or their answers are cut off."""
    for process in scene.alive("worker"):
        process.terminate()
    for _ in range(2):
        scene.start("worker", RUIE_LLM_PRICES=json.dumps({"scripted": TARIFF}))
    scene.behave(
        faults=0.2, kinds=("500", "503", "429 seconds", "length"), caches=True,
        input_nusd=1000, cached_nusd=100, cache_write_nusd=1250, output_nusd=4000, flex=2 / 3,
    )  # fmt: skip  # faults, then the tariff
    scene.enqueue(30, mode="flex")
    scene.until_closed()
    scene.audit()

    mine = [entry for entry in scene.mine() if entry.nusd]
    assert {entry.tier for entry in mine} == {"flex", "default"}
    assert any(entry.fault == "length" for entry in mine)
    bill = (
        sum(entry.nusd for entry in mine),
        sum(entry.cached_tokens for entry in mine),
        sum(entry.cache_write_tokens for entry in mine),
        sum(entry.reasoning_tokens for entry in mine),
    )
    with scene.engine.begin() as conn:
        booked = conn.execute(text(_BOOKED), {"job": scene.job_id}).one()
        committed = spend.committed_nusd(conn, scene.job_id)
    assert tuple(int(amount) for amount in booked) == bill
    assert committed == bill[0]
    for process in scene.alive("worker"):
        process.terminate()


# Refunds of calls in flight are not yet taken off the account.
_SPENT = """SELECT COALESCE((SELECT committed_nusd FROM spend_accounts WHERE account = :day), 0)
    - COALESCE((SELECT SUM(nusd) FROM spend_refunds WHERE account = :day), 0)"""


@pytest.mark.scene("day's cap")
@pytest.mark.slow
def test_a_day_has_a_cap(scene: Scene) -> None:
    """Workers and coordinator may spend only so much more today: the job pauses."""
    today = scene.scalar("SELECT TO_CHAR(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD')")
    spent = scene.scalar(_SPENT, day=today)
    for process in scene.fleet.processes:
        if process.alive:
            process.terminate()
    cap = (int(spent) / NUSD) + CAP_USD
    for command in ("coordinator", "worker", "worker"):
        scene.start(command, RUIE_SPEND_PER_DAY_USD=f"{cap:.9f}")
    scene.enqueue(60)
    wait_until(lambda: scene.fleet.client.progress(scene.job_id).state == "paused")
    wait_until(lambda: all(entry.ended for entry in scene.mine()))
    bill = sum(entry.nusd for entry in scene.mine())
    assert CAP_USD * NUSD / 2 < bill <= CAP_USD * NUSD

    for process in (*scene.alive("worker"), *scene.alive("coordinator")):
        process.terminate()
    scene.staff(workers=2)  # without a day's cap: the job resumes by itself
    scene.until_closed()
    scene.audit(lost_calls=AT_RISK * scene.killed)
