"""Which coordinator leads, and who leads after it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from sqlalchemy import text
from support.fleet import Process
from support.scene import Scene
from support.waiting import wait_until

from ruie.worker.coordinator import LEADER_LEASE_S

LEASE = timedelta(seconds=LEADER_LEASE_S)


def leader(scene: Scene) -> Process | None:
    """The coordinator that leads, according to the database."""
    holder = scene.scalar("SELECT holder FROM leadership WHERE expires > statement_timestamp()")
    pid = int(holder.split(":")[1]) if holder else 0
    return next((p for p in scene.fleet.processes if p.pid == pid), None)


def until_another_leads(scene: Scene, old: Process) -> Process:
    """Returns the new leader, which did not take the lead before the lease had run out."""
    token, expires = term(scene)
    started = time.monotonic()
    wait_until(lambda: leader(scene) not in (None, old))
    scene.figures.append(f"another coordinator led after {time.monotonic() - started:.1f} s")
    new = leader(scene)
    assert new is not None
    next_token, next_expires = term(scene)
    assert next_token > token
    assert next_expires >= expires + LEASE, "the lead was taken before the lease had run out"
    return new


def term(scene: Scene) -> tuple[int, datetime]:
    """The fencing token of the one that leads, and until when it leads unless it renews."""
    with scene.engine.connect() as conn:
        row = conn.execute(text("SELECT token, expires FROM leadership")).one()
    return row.token, row.expires
