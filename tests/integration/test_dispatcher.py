"""Which batches are sent again: those whose messages were lost, and not those that wait."""

from __future__ import annotations

import base64
import json
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
from ruie.worker.messages import KEY_PREFIX, QUEUE, checked, next_batch

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
    """The batches of the messages that wait, in their turn."""
    messages: Any = redis.lrange(key(priority), 0, -1)
    bodies = [json.loads(checked(message))["body"] for message in reversed(messages)]
    return [json.loads(base64.b64decode(body))[0][0] for body in bodies]


def take(redis: Redis, priority: Priority = Priority.NORMAL) -> Any:
    return redis.rpop(key(priority))


def test_batches_sort_as_they_are_sent(
    coordinator: Coordinator, database: JobDatabase, redis: Redis
) -> None:
    job = database.job()
    for text in ("a", "b"):
        database.enqueue(job, [f"{text}{number}" for number in range(10)])
        coordinator.tick()
    sent = waiting(redis)
    assert sent == sorted(sent)
    assert len(sent) == 20


def test_the_next_message_is_the_oldest_of_ours(
    coordinator: Coordinator, database: JobDatabase, redis: Redis
) -> None:
    step = MESSAGE_PRIORITY[Priority.NORMAL]
    assert next_batch(redis, step) is None
    database.enqueue(database.job(), ["a", "b"])
    coordinator.tick()
    first, second = waiting(redis)
    assert next_batch(redis, step) == first
    take(redis)
    redis.rpush(key(Priority.NORMAL), "not ours")
    assert next_batch(redis, step) == second


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


def test_what_was_taken_and_not_leased_is_sent_again_while_what_was_late_before_waits(
    coordinator: Coordinator, database: JobDatabase, redis: Redis
) -> None:
    """Batches that are late again and again keep their turn."""
    job = database.job()
    for text in ("a", "b", "c"):
        database.enqueue(job, [text])
        assert coordinator.tick().sent == 1
        database.pass_time(LATE_S / 2)
    assert len(waiting(redis)) == 3
    take(redis)
    for _ in range(3):
        database.pass_time(LATE_S / 2)
        coordinator.tick()
    names = waiting(redis)
    assert [item.text for name in names for item in database.lease(name)] == ["b", "c", "a"]


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
