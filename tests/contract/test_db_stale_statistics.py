"""A job that came after PostgreSQL last looked at its tables: it then takes all that is pending for
a few rows. What workers and coordinator do all the time may not read all of it even so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from support.databases import Server
from support.job_database import JobDatabase

from ruie.db import job_states, jobs, queue, sent_batches

ITEMS = 3_000
SENT = 64
Step = Callable[[Connection, str], Any]

STEPS: dict[str, Step] = {
    "lease": lambda conn, batch: queue.lease(conn, batch, "worker", 60.0),
    "defer a batch": lambda conn, batch: queue.defer_batch(conn, batch, 60.0),
    "the job of a batch": jobs.of_batch,
    "another class waits": lambda conn, _: queue.class_waits(conn, [5]),
    "dispatch": lambda conn, _: queue.dispatch(conn, None, SENT, 32, 60.0),
    "in flight": lambda conn, _: queue.in_flight(conn),
    "late batches": lambda conn, _: sent_batches.late_classes(conn),
    "await their turn": lambda conn, batch: sent_batches.await_turn(conn, 0, batch, 60.0),
    "reap": lambda conn, _: queue.reap(conn, 5),
    "close jobs": lambda conn, _: job_states.close_jobs(conn),
}


@pytest.fixture
def server(postgresql_server: Server) -> Server:
    """SQLite plans without statistics."""
    return postgresql_server


@pytest.fixture
def database(database: JobDatabase) -> JobDatabase:
    """A job that is done, which PostgreSQL knows, and one that has come since."""
    done = database.job("done")
    database.enqueue(done, [f"done {n}" for n in range(ITEMS)])
    with database.engine.begin() as conn:
        conn.execute(text("UPDATE work_items SET state = 'done'"))
        conn.execute(text("UPDATE jobs SET state = 'done'"))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("VACUUM ANALYZE"))
    database.enqueue(database.job("new"), [f"new {n}" for n in range(ITEMS)])
    with database.engine.begin() as conn:
        queue.dispatch(conn, None, SENT, 32, 60.0)
    return database


@pytest.mark.parametrize("step", STEPS)
def test_no_step_reads_all_that_is_pending(database: JobDatabase, step: str) -> None:
    batch = database.one("SELECT MIN(batch) FROM work_items")
    for statement, parameters in asked(database, lambda conn: STEPS[step](conn, batch)):
        with database.engine.connect() as conn:
            explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
            (plan,) = conn.exec_driver_sql(explain, parameters).scalar_one()
        assert max(rows_read(plan["Plan"]), default=0) < ITEMS / 2, statement


def asked(database: JobDatabase, action: Callable[[Connection], Any]) -> list[tuple[str, Any]]:
    """The statements of an action, which is undone."""
    found: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.append((statement, parameters))

    with database.engine.connect() as conn:
        event.listen(conn, "before_cursor_execute", note)
        action(conn)
        conn.rollback()
    return found


def rows_read(node: dict[str, Any]) -> Iterator[float]:
    """Of each scan of the items: rows that came of it, and that its filter left out."""
    if node.get("Relation Name") == "work_items" and "Scan" in node["Node Type"]:
        yield node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
    for part in node.get("Plans", ()):
        yield from rows_read(part)
