"""Which batches are sent again: those whose messages were lost, and not those that wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine
from support.job_database import JobDatabase

from ruie.db.engine import open_engine
from ruie.db.jobs import Priority
from ruie.settings import load
from ruie.worker.app import MESSAGE_PRIORITY, create_app
from ruie.worker.coordinator import Coordinator
from ruie.worker.messages import KEY_PREFIX, QUEUE, oldest_batches

LATE_S = 121.0
"""After this time a message that was not taken counts as late."""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def database(engine: Engine) -> JobDatabase:
    return JobDatabase(engine)


@pytest.fixture
def redis(url: str) -> Iterator[Redis]:
    with Redis.from_url(url) as client:
        yield client
        client.delete(*(key(priority) for priority in Priority))


@pytest.fixture
def coordinator(engine: Engine, url: str, redis: Redis) -> Coordinator:
    config = load(
        database_url=engine.url.render_as_string(hide_password=False),
        redis_url=url,
        llm_base_url="http://127.0.0.1:9/v1",
        batch_size=1,
    )
    return Coordinator(engine, create_app(config), redis, config)


def key(priority: Priority) -> str:
    """Of the list of messages."""
    step = MESSAGE_PRIORITY[priority]
    return f"{KEY_PREFIX}{QUEUE}" + (f"\x06\x16{step}" if step else "")


def waiting(redis: Redis, priority: Priority = Priority.NORMAL) -> list[str]:
    return oldest_batches(redis, MESSAGE_PRIORITY[priority])


def take(redis: Redis, priority: Priority = Priority.NORMAL) -> Any:
    return redis.rpop(key(priority))


def test_the_next_messages_are_shown_in_their_turn(
    coordinator: Coordinator, database: JobDatabase, redis: Redis
) -> None:
    job = database.job()
    names = []
    for text in ("a", "b", "c"):
        database.enqueue(job, [text])
        coordinator.tick()
        names.append(database.one("SELECT batch FROM work_items ORDER BY id DESC LIMIT 1"))
    assert waiting(redis) == names
    redis.rpush(key(Priority.NORMAL), "not ours")
    assert waiting(redis) == names
    take(redis)
    take(redis)
    assert waiting(redis) == names[1:]


def test_what_waits_is_not_sent_again(
    coordinator: Coordinator, database: JobDatabase, redis: Redis
) -> None:
    database.enqueue(database.job(), ["a", "b", "c"])
    assert coordinator.tick().sent == 3
    first = waiting(redis)
    for _ in range(3):
        database.pass_time(LATE_S)
        assert coordinator.tick().sent == 0
    assert waiting(redis) == first
    assert [len(database.lease(batch)) for batch in first] == [1, 1, 1]


def test_what_was_lost_is_sent_again_while_others_wait(
    coordinator: Coordinator, database: JobDatabase, redis: Redis
) -> None:
    job = database.job()
    for text in ("lost", "waits"):
        database.enqueue(job, [text])
        assert coordinator.tick().sent == 1
        database.pass_time(1)
    lost = waiting(redis)[0]
    take(redis)
    database.pass_time(LATE_S)
    assert coordinator.tick().sent == 1
    waits, again = waiting(redis)
    assert database.lease(lost) == []
    assert [item.text for item in database.lease(waits) + database.lease(again)] == [
        "waits",
        "lost",
    ]


def test_messages_of_no_batch_keep_nothing_from_being_sent_again(
    coordinator: Coordinator, database: JobDatabase, redis: Redis
) -> None:
    job = database.job()
    database.enqueue(job, ["a"])
    coordinator.tick()
    with database.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE work_items SET batch = 'another', dispatched_until = NULL")
        conn.exec_driver_sql("UPDATE work_items SET dispatched_until = updated_at")
    database.pass_time(LATE_S)
    assert coordinator.tick().sent == 1


def test_a_class_of_jobs_waits_for_its_own_messages_alone(
    coordinator: Coordinator, database: JobDatabase, redis: Redis
) -> None:
    database.enqueue(database.job(priority=Priority.LIVE), ["a"])
    database.enqueue(database.job(priority=Priority.BACKFILL), ["b"])
    assert coordinator.tick().sent == 2
    take(redis, Priority.BACKFILL)
    database.pass_time(LATE_S)
    assert coordinator.tick().sent == 1
    assert len(waiting(redis, Priority.LIVE)) == 1
    assert len(waiting(redis, Priority.BACKFILL)) == 1
