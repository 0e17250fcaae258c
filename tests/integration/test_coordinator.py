"""When the coordinator takes expired leases back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from redis import Redis
from sqlalchemy import Engine
from support.job_database import JobDatabase
from support.tcp_proxy import TcpProxy
from support.waiting import wait_until

from ruie.db import jobs
from ruie.db.engine import open_engine
from ruie.settings import load
from ruie.worker.app import create_app
from ruie.worker.coordinator import LEADER_LEASE_S, Coordinator
from ruie.worker.job_watch import JobWatch

LEASE_S = 2.0


@contextmanager
def coordinator(engine: Engine, redis_url: str, lease_s: float) -> Iterator[Coordinator]:
    config = load(
        database_url=engine.url.render_as_string(hide_password=False),
        redis_url=redis_url,
        llm_base_url="http://127.0.0.1:9/v1",
        lease_s=lease_s,
    )
    with Redis.from_url(redis_url) as redis:
        yield Coordinator(engine, create_app(config), redis, config)


def lose_a_lease(engine: Engine) -> None:
    database = JobDatabase(engine)
    database.enqueue(database.job(), ["Ada was here."])
    database.take(ttl_s=0.0)


def test_a_lease_that_ran_out_is_taken_back_at_once(database_url: str, url: str) -> None:
    engine = open_engine(database_url)
    lose_a_lease(engine)
    with coordinator(engine, url, 60) as running:
        assert running.tick().returned == 1
    engine.dispose()


def test_one_that_was_held_up_gives_workers_time_to_renew(database_url: str, url: str) -> None:
    """A machine that was suspended, or had too little CPU: no worker could renew meanwhile."""
    engine = open_engine(database_url)
    with coordinator(engine, url, LEASE_S) as running:
        running.tick()
        lose_a_lease(engine)
        time.sleep(0.6 * LEASE_S)
        held_up = time.monotonic()
        assert running.tick().returned == 0
        wait_until(lambda: running.tick().returned == 1)
        assert time.monotonic() - held_up >= LEASE_S
    engine.dispose()


def test_one_that_is_always_slow_takes_leases_back_too(database_url: str, url: str) -> None:
    engine = open_engine(database_url)
    with coordinator(engine, url, LEASE_S) as running:
        running.tick()
        lose_a_lease(engine)
        returned = 0
        for _ in range(4):
            time.sleep(0.6 * LEASE_S)
            returned += running.tick().returned
        assert returned == 1
    engine.dispose()


@contextmanager
def running(*coordinators: Coordinator) -> Iterator[None]:
    """Round after round, each in a thread."""
    threads = [threading.Thread(target=each.run) for each in coordinators]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for each in coordinators:
            each.stop.set()
        for thread in threads:
            thread.join()


def leads(one: Coordinator) -> bool:
    return one.lead is not None


def test_the_lead_is_left_to_one_that_reaches_redis(database_url: str, url: str) -> None:
    """The only one goes on leading without Redis: batches at the provider need none."""
    engine = open_engine(database_url)
    with (
        TcpProxy(Path(unquote(urlsplit(url).path))) as link,
        coordinator(engine, f"redis://127.0.0.1:{link.port}/0", 60) as first,
        coordinator(engine, url, 60) as second,
        running(first),
    ):
        wait_until(lambda: leads(first))
        link.refuse()
        link.cut()
        lost_at = time.monotonic()
        wait_until(lambda: time.monotonic() > lost_at + LEADER_LEASE_S + 1)
        assert leads(first)
        with running(second):
            wait_until(lambda: leads(second))
            assert not leads(first)
            link.heal()
        wait_until(lambda: leads(first))
    engine.dispose()


@contextmanager
def _renamed(engine: Engine, table: str) -> Iterator[None]:
    """The table is not there by its name."""
    with engine.begin() as conn:
        conn.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {table}_gone")
    yield
    with engine.begin() as conn:
        conn.exec_driver_sql(f"ALTER TABLE {table}_gone RENAME TO {table}")


def test_totals_that_cannot_be_counted_do_not_delay_the_advice(database_url: str, url: str) -> None:
    engine = open_engine(database_url)
    database = JobDatabase(engine)
    database.enqueue(database.job(), ["Ada was here."])
    with _renamed(engine, "metric_totals"), coordinator(engine, url, 60) as running:
        assert running.tick().leading
        said = "SELECT useful_processes FROM leadership"
        assert database.one(said) == 1
        with engine.begin() as conn:
            conn.exec_driver_sql("UPDATE jobs SET state = 'paused'")
        running._upkeep.hurry()
        running.tick()
        assert database.one(said) == 0
    engine.dispose()


def test_a_job_waits_for_a_round_when_it_is_enqueued_and_when_it_can_be_closed(
    database_url: str, url: str
) -> None:
    engine = open_engine(database_url)
    database, watch = JobDatabase(engine), JobWatch(engine)
    assert not watch.waits()
    job = database.job()
    database.enqueue(job, ["Ada was here."])
    with engine.begin() as conn:
        jobs.finish_enqueueing(conn, job)
    assert watch.waits()
    assert not watch.waits()  # a round has been since
    (item,) = database.take()
    database.save(item)
    assert watch.waits()
    with coordinator(engine, url, LEASE_S) as running:
        assert running.tick().closed == 1
    assert not watch.waits()
    engine.dispose()


def test_a_database_that_answers_with_an_error_is_left_to_the_next_round(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    assert not JobWatch(engine).waits()
    engine.dispose()
