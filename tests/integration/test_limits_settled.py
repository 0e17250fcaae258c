"""After a call: what is given back, who waits for whom, and what happens without Redis."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
import redis
from redis.asyncio import Redis
from support.limiting import MODEL, call, limited, tokens_left, used
from support.waiting import wait_until_async

from ruie.errors import CallError, RateLimitedError, TransientCallError
from ruie.llm import Completion
from worker.embedded.redis_server import RedisServer, free_port
from worker.limits import FleetLimiter, Limits


@pytest.mark.parametrize(
    ("outcome", "left"),
    [
        (used(10, 90), 0),
        (used(10, 20), 70),
        (used(60, 90), -50),
        (TransientCallError("x"), 90),
    ],
    ids=["all used", "less", "more", "failed: the prompt may have been counted"],
)
def test_what_was_not_used_is_given_back(
    url: str, outcome: Completion | CallError, left: float
) -> None:
    async def use(limiter: FleetLimiter) -> float:
        permit = await limiter.before(call())
        assert permit == 100
        await limiter.after(permit, call(), outcome)
        return tokens_left(url, limiter)

    assert limited(url, Limits(tokens_per_minute=6000), use) == pytest.approx(left)


def test_what_is_given_back_can_be_used_at_once_but_never_hoarded(url: str) -> None:
    async def use(limiter: FleetLimiter) -> float:
        for _ in range(5):
            await limiter.after(500, call(), used(0, 0))  # more than was ever taken
            permit = await limiter.before(call())
            await limiter.after(permit, call(), used(0, 0))
        await limiter.before(call())
        return tokens_left(url, limiter)

    assert limited(url, Limits(tokens_per_minute=6000), use) == pytest.approx(0, abs=1e-3)


def test_one_that_was_turned_away_stops_the_others(url: str) -> None:
    async def use(limiter: FleetLimiter) -> tuple[float, float]:
        async with Redis.from_url(url) as other:
            neighbour = FleetLimiter(other, "http://llm", Limits())
            permit = await limiter.before(call())
            refusal = RateLimitedError("x", retry_after=1.0)
            await limiter.after(permit, call(), refusal)
            await limiter.pause(MODEL, 0.1)  # a shorter pause does not end a longer one
            started = time.monotonic()
            await neighbour.before(call(model="another"))
            free = time.monotonic() - started
            await neighbour.before(call())
            return free, time.monotonic() - started

    free, held = limited(url, Limits(), use)
    assert held > 0.9
    assert free < held / 2


def test_without_redis_calls_wait_until_it_is_back(tmp_path: Path) -> None:
    port = free_port()
    server = RedisServer(tmp_path, port)

    async def use(limiter: FleetLimiter) -> None:
        nonlocal server
        await limiter.before(call())
        server.stop()
        await limiter.after(100, call(), used(1, 1))  # the refund is lost, nothing else
        waiting = asyncio.create_task(limiter.before(call()))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        server = await asyncio.to_thread(RedisServer, tmp_path, port)
        await wait_until_async(waiting.done)
        assert waiting.result() == 100

    try:
        limited(server.url, Limits(tokens_per_minute=6000), use)
    finally:
        server.stop()


def test_a_key_tells_nothing_and_expires(url: str) -> None:
    async def use(limiter: FleetLimiter) -> None:
        await limiter.before(call())
        client = redis.Redis.from_url(url)
        (key,) = client.keys()
        assert key.decode() == limiter.key(MODEL) != limiter.key("another")
        assert b"llm" not in key
        assert 0 < client.ttl(key) <= 3600

    limited(url, Limits(requests_per_minute=60), use)
