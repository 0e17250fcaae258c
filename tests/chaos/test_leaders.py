"""Two coordinators, one of which dies or stops: the other leads, and the two never act at once.

How soon it leads is a figure of the scene: without CPU to spare it says nothing of us."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from support.fleet import Process
from support.leading import leader, until_another_leads
from support.scene import Scene
from support.waiting import wait_until

# Who changed something, and who led at that moment: recorded in the same transaction.
_WITNESS = """
CREATE TABLE IF NOT EXISTS witnessed (
    number BIGSERIAL, who TEXT, holder TEXT, token BIGINT);
CREATE OR REPLACE FUNCTION witness() RETURNS trigger AS $$
BEGIN
    IF left(current_setting('application_name'), 11) = 'coordinator' THEN
        INSERT INTO witnessed (who, holder, token)
        SELECT current_setting('application_name'), holder, token FROM leadership;
    END IF;
    RETURN NULL;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER witness AFTER UPDATE ON work_items FOR EACH ROW EXECUTE FUNCTION witness();
CREATE TRIGGER witness_jobs AFTER UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION witness();
"""
_GONE = "DROP FUNCTION witness() CASCADE; DROP TABLE witnessed"


@pytest.fixture
def witness(scene: Scene) -> Iterator[None]:
    with scene.engine.begin() as conn:
        conn.exec_driver_sql(_WITNESS)
    yield
    for attempt in range(5):
        try:
            with scene.engine.begin() as conn:
                conn.exec_driver_sql(_GONE)
            return
        except OperationalError:  # a deadlock: the fleet still writes to both tables
            if attempt == 4:
                raise
            time.sleep(0.5)


def in_mid_job(scene: Scene, documents: int) -> Process:
    """Two coordinators and two workers in the middle of a job; returns the one that leads."""
    scene.staff(workers=2, coordinators=2)
    wait_until(lambda: leader(scene))
    scene.enqueue(documents)
    scene.until_done(40)
    first = leader(scene)
    assert first is not None
    return first


def check_actions(scene: Scene, leaders: int) -> None:
    """Only the leader acted, and no earlier leader after a later one."""
    names = {f":{p.pid}:": p.who for p in scene.fleet.processes}
    with scene.engine.connect() as conn:
        seen = conn.execute(text("SELECT who, holder, token FROM witnessed ORDER BY number")).all()
    others = [row for row in seen if not any(k in row[1] and names[k] == row[0] for k in names)]
    assert not others, f"{len(others)} of {len(seen)} actions by a follower: {others[:5]}"
    tokens = [row[2] for row in seen]
    assert tokens == sorted(tokens), "an earlier leader acted after a later one"
    # A coordinator that led only for a moment may have had nothing to do.
    acted = {row[0] for row in seen}
    assert leaders - 1 <= len(acted) <= leaders, f"one after the other led, and {acted} acted"
    assert len(acted) > 1, "only one ever acted"


def freeze(scene: Scene, process: Process, state: str) -> None:
    """SIGSTOP it while its connection to the database is in this state."""
    for _ in range(2000):
        process.freeze()
        if scene.scalar(_STATE, who=process.who) == state:
            return
        process.thaw()
        time.sleep(0.002)
    raise AssertionError(f"{process.who} was never {state}")


_STATE = """SELECT MAX(state) FROM pg_stat_activity
WHERE application_name = :who AND datname = current_database()"""


@pytest.mark.scene("leader killed, leader frozen")
@pytest.mark.usefixtures("witness")
def test_a_leader_killed_and_a_leader_frozen(scene: Scene) -> None:
    """The second is stopped between two transactions until its lease has run out."""
    first = in_mid_job(scene, 120)
    first.kill()
    scene.start("coordinator")
    second = until_another_leads(scene, first)
    freeze(scene, second, "idle")
    until_another_leads(scene, second)
    second.thaw()
    scene.until_closed()
    check_actions(scene, leaders=3)
    scene.audit(lost_calls=0)


@pytest.mark.scene("leader frozen in mid-transaction")
@pytest.mark.usefixtures("witness")
def test_a_leader_frozen_in_mid_transaction(scene: Scene) -> None:
    first = in_mid_job(scene, 60)
    freeze(scene, first, "idle in transaction")
    until_another_leads(scene, first)
    first.thaw()
    scene.until_closed()
    check_actions(scene, leaders=2)
    scene.audit(lost_calls=0)
