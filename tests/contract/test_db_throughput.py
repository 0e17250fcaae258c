"""The last hour's calls by minute, and who holds and waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, select, update
from support import news
from support.job_database import JobDatabase

from ruie.db import queue
from ruie.db.activity import alive
from ruie.db.engine import reading
from ruie.db.holders import holdings, waiting
from ruie.db.models import extractions, work_items
from ruie.db.throughput import SettledMinutes, last_hour, together
from ruie.db.types import utcnow


@pytest.fixture
def calls(engine: Engine, tmp_path: Path) -> list[int]:
    """The ids of the calls of the news, in order."""

    news.build(engine, tmp_path)
    with reading(engine) as conn:
        query = select(extractions.c.id).where(
            extractions.c.reused_from.is_(None), extractions.c.source == "model"
        )
        return list(conn.scalars(query.order_by(extractions.c.id)))


def test_calls_of_the_last_hour_by_minute(engine: Engine, calls: list[int]) -> None:
    with engine.begin() as conn:
        now = conn.execute(select(utcnow())).scalar_one()
        # the last seven: three two minutes ago, four now; the others are of February
        for ids, ago in ((calls[-7:-4], 120), (calls[-4:], 0)):
            at = now - timedelta(seconds=ago)
            conn.execute(update(extractions).where(extractions.c.id.in_(ids)).values(created_at=at))
    with reading(engine) as conn:
        hours = last_hour(conn)
    minutes = together(hours)
    assert len(minutes) == 60
    assert sum(minute.calls for minute in minutes) == 7
    assert [m.calls for m in minutes if m.calls] == [3, 4]
    assert sum(minute.tokens for minute in minutes) == 7 * 110
    assert all(minute.failed == 0 for minute in minutes)
    assert {hour.endpoint for hour in hours} == {news.ENDPOINT}


def test_calls_in_flight_are_what_counting_every_second_says(
    engine: Engine, calls: list[int]
) -> None:
    """Calls within a minute, over its end, and over several minutes; one began before the hour."""
    took = [3.0, 59.0, 61.5, 200.0, 1000.0, 7000.0, 0.25]
    with engine.begin() as conn:
        now = conn.execute(select(utcnow())).scalar_one().replace(microsecond=0)
        ends = [now - timedelta(seconds=30 + 431 * place) for place in range(len(took))]
        for id_, end, seconds in zip(calls[-7:], ends, took, strict=True):
            changed = update(extractions).where(extractions.c.id == id_)
            conn.execute(changed.values(created_at=end, latency_s=seconds))
        old = update(extractions).where(extractions.c.id.in_(calls[:-7]))
        conn.execute(old.values(created_at=now - timedelta(days=1)))
    with reading(engine) as conn:
        minutes = together(last_hour(conn))
    for minute in minutes:
        over = minute.at + timedelta(minutes=1)
        busy = sum(
            max(0.0, (min(end, over) - max(end - timedelta(seconds=s), minute.at)).total_seconds())
            for end, s in zip(ends, took, strict=True)
        )
        assert minute.in_flight == pytest.approx(busy / 60, abs=1e-4), minute.at
    assert sum(minute.calls for minute in minutes) == len(took)


def test_minutes_that_are_over_are_read_once(engine: Engine, calls: list[int]) -> None:
    """As two hours pass, it is what reading all of an hour each time says."""
    with engine.begin() as conn:
        begin = conn.execute(select(utcnow())).scalar_one()
        for place, id_ in enumerate(calls):
            values = {"created_at": begin + timedelta(minutes=4 * place), "latency_s": 150.0}
            conn.execute(update(extractions).where(extractions.c.id == id_).values(values))
    settled = SettledMinutes()
    with reading(engine) as conn:
        for minutes in (0, 1, 2, 7, 8, 40, 41, 59, 61, 100, 240):
            now = begin + timedelta(minutes=minutes)
            known = last_hour(conn, settled=settled, now=now)
            assert known == last_hour(conn, now=now), minutes
    settled, now = SettledMinutes(), begin + timedelta(minutes=30)
    with reading(engine) as conn:
        before = last_hour(conn, settled=settled, now=now)
    with engine.begin() as conn:
        old = extractions.c.created_at < begin + timedelta(minutes=20)
        conn.execute(update(extractions).where(old).values(prompt_tokens=0))
    with reading(engine) as conn:
        assert last_hour(conn, settled=settled, now=now) == before
        assert last_hour(conn, now=now) != before


def test_nothing_was_called(engine: Engine) -> None:
    with reading(engine) as conn:
        assert last_hour(conn) == []
    assert together([]) == ()


def test_who_holds_and_what_waits(engine: Engine) -> None:
    database = JobDatabase(engine)
    job = database.job()
    database.enqueue(job, ["a", "b", "c"])
    with engine.begin() as conn:
        first = conn.execute(
            select(work_items.c.id).order_by(work_items.c.id).limit(1)
        ).scalar_one()
        held = {"state": "leased", "lease_owner": "host:7", "lease_expires": utcnow(60)}
        conn.execute(update(work_items).where(work_items.c.id == first).values(held))
        others = work_items.c.id != first
        conn.execute(update(work_items).where(others).values(updated_at=utcnow(-300)))
    with reading(engine) as conn:
        (holding,) = holdings(conn)
        (wait,) = waiting(conn)
    assert (holding.owner, holding.job_id, holding.items) == ("host:7", job, 1)
    assert wait.pending_s is not None
    assert wait.pending_s >= 300
    assert wait.retry_s is None
    with engine.begin() as conn:
        again = {"state": "retry", "not_before": utcnow(60)}
        conn.execute(update(work_items).where(work_items.c.id == first + 2).values(again))
    with reading(engine) as conn:
        (wait,) = waiting(conn)
    assert wait.retry_s is not None
    assert wait.retry_s >= 300


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "ask", [alive, holdings, waiting, queue.in_flight, lambda c: queue.class_waits(c, [0, -1])]
)
def test_what_a_worker_or_page_asks_again_and_again_reads_no_item_that_only_waits(
    engine: Engine, ask: Callable[[Connection], Any]
) -> None:
    """SQLite chooses by its statistics, which know many items that wait and few that do not."""
    database = JobDatabase(engine)
    database.enqueue(database.job(), [f"text {n}" for n in range(3000)])
    database.dispatch(limit=20)
    with engine.begin() as conn:
        conn.exec_driver_sql("ANALYZE")
    engine.dispose()  # a connection reads the statistics when it is opened
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda *a: asked.append((a[2], a[3])))
    with reading(engine) as conn:
        ask(conn)
        for statement, values in list(asked):
            plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            steps = [row.detail for row in plan if "work_items" in row.detail]
            assert all("INDEX ix_work_items_" in step for step in steps), steps
            assert not any("progress (job_id=?)" in step for step in steps), steps
