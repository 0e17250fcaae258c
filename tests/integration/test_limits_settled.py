"""After a call: what is given back, which class waits for which, and what happens without Redis."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from redis.asyncio import Redis
from support.limiting import ENDPOINT, MODEL, call, in_window, limited, state, used
from support.waiting import wait_until_async

from ruie.db.jobs import Priority
from ruie.errors import CallError, RateLimitedError, TransientCallError
from ruie.llm import Completion
from ruie.worker.embedded.redis_server import RedisServer
from ruie.worker.limits import MARKER, FleetLimiter, Limits
from ruie.worker.limits.types import keys


@pytest.mark.parametrize(
    ("outcome", "left"),
    [
        (used(10, 90), 100),
        (used(10, 20), 30),
        (used(60, 90), 150),
        (TransientCallError("x"), 10),
    ],
    ids=["all used", "less", "more", "failed: the prompt may have been counted"],
)
def test_what_was_not_used_is_given_back(
    url: str, outcome: Completion | CallError, left: float
) -> None:
    async def use(limiter: FleetLimiter) -> None:
        permit = await limiter.hook().before(call())
        await limiter.hook().after(permit, call(), outcome)

    limited(url, Limits(tokens_per_minute=6000), use)
    assert in_window(url, "t") == left


def test_a_throttled_call_pauses_every_process_and_slows_them_down(url: str) -> None:
    async def use(limiter: FleetLimiter) -> tuple[float, float, float]:
        async with Redis.from_url(url) as other:
            neighbour = FleetLimiter(other, ENDPOINT, Limits()).hook()
            hook = limiter.hook()
            started = time.monotonic()
            while time.monotonic() - started < 1.0:  # 50 a second, unlimited
                permit = await hook.before(call())
                await asyncio.sleep(0.02)
            await hook.after(permit, call(), RateLimitedError("x", retry_after=1.0))
            await hook.after(permit, call(), RateLimitedError("x", retry_after=0.1))
            await asyncio.sleep(0.3)  # for so long the neighbour admits its calls without a run
            started = time.monotonic()
            await neighbour.before(call(model="another"))
            free = time.monotonic() - started
            await neighbour.before(call())
            held = time.monotonic() - started
            admitted = 0
            while time.monotonic() - started < held + 1.0:
                await neighbour.before(call())
                admitted += 1
            return free, held, admitted

    free, held, admitted = limited(url, Limits(), use)
    assert 0.5 < held < 10
    assert free < held / 2
    # the highest rate was about 40 a second: half of it, and growing
    assert 5 <= admitted <= 30
    assert state(url, "a") < 0.6 * state(url, "m")


def test_where_the_tier_flex_has_no_room_others_go_on(url: str) -> None:
    async def use(limiter: FleetLimiter) -> tuple[float, float]:
        hook, backfill = limiter.hook(), limiter.hook(Priority.BACKFILL)
        flex = replace(call(), parameters={"service_tier": "flex"})
        permit = await backfill.before(flex)
        await backfill.after(permit, flex, RateLimitedError("x", retry_after=2.0))
        await asyncio.sleep(0.2)
        started = time.monotonic()
        waiting = asyncio.create_task(backfill.before(flex))
        for _ in range(20):
            await hook.before(call())
        others = time.monotonic() - started
        await waiting
        return others, time.monotonic() - started

    others, held = limited(url, Limits(requests_per_minute=60_000), use)
    assert held > 1.0 > 2 * others


def test_without_a_retry_after_the_pause_grows(url: str) -> None:
    async def use(limiter: FleetLimiter) -> list[float]:
        hook = limiter.hook()
        waits = []
        for _ in range(2):
            permit = await hook.before(call())
            await hook.after(permit, call(), RateLimitedError("x"))
            await asyncio.sleep(0.1)
            started = time.monotonic()
            await hook.before(call())
            waits.append(time.monotonic() - started)
            await asyncio.sleep(0.2)
        return waits

    first, second = limited(url, Limits(), use)
    assert 0.6 < first < 10
    assert 1.2 < second < 10


def test_the_provider_s_headers_set_the_limits_where_none_is_configured(url: str) -> None:
    completion = used(
        10, 90, limit_requests="600", remaining_requests="480", reset_requests="12s",
        limit_tokens="60000", remaining_tokens="59900", reset_tokens="100ms",
    )  # fmt: skip  # as the headers come

    async def use(limiter: FleetLimiter) -> float:
        hook = limiter.hook()
        await hook.after(await hook.before(call()), call(), completion)
        await asyncio.sleep(0.3)
        started = time.monotonic()
        await asyncio.gather(*(hook.before(call()) for _ in range(12)))
        return time.monotonic() - started

    took = limited(url, Limits(), use)
    assert state(url, "Lr") == 600
    assert state(url, "Lt") == 60000
    assert in_window(url, "r") == 120 + 12  # what others used of the quota counts too
    assert 0.7 < took < 10


def test_limits_of_input_and_output_are_learned_apart(url: str) -> None:
    """As Anthropic states them; what is configured takes their place."""
    stated = {"requests": (600, 599), "input-tokens": (6000, 5000), "output-tokens": (1200, 1190)}
    headers = {
        f"anthropic-ratelimit-{kind}-{name}": str(amount)
        for kind, amounts in stated.items()
        for name, amount in zip(("limit", "remaining"), amounts, strict=True)
    }
    completion = replace(used(10, 90), headers=headers)

    async def use(limiter: FleetLimiter) -> None:
        hook = limiter.hook()
        await hook.after(await hook.before(call()), call(), completion)
        await asyncio.sleep(0.3)
        await hook.before(call())

    limited(url, Limits(output_tokens_per_minute=10**9), use)
    assert (state(url, "Lr"), state(url, "Li")) == (600, 6000)
    assert in_window(url, "i") == 1000 + 10, "what others used of the quota counts too"
    assert redis.Redis.from_url(url).hget(keys(ENDPOINT, MODEL)[0], "Lo") is None


def test_classes_share_by_weight_and_one_alone_has_all(url: str) -> None:
    async def use(limiter: FleetLimiter) -> tuple[int, int, int]:
        counts = {Priority.LIVE: 0, Priority.BACKFILL: 0}

        async def crowd(priority: Priority, until: float) -> None:
            hook = limiter.hook(priority)
            while time.monotonic() < until:
                await hook.before(call())
                counts[priority] += 1

        async def both(*classes: Priority) -> None:
            until = time.monotonic() + 2.0
            tasks = [asyncio.create_task(crowd(c, until)) for c in classes for _ in range(8)]
            await asyncio.wait(tasks, timeout=2.0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        await both(Priority.BACKFILL)
        alone = counts[Priority.BACKFILL]
        counts[Priority.BACKFILL] = 0
        await both(Priority.LIVE, Priority.BACKFILL)
        return alone, counts[Priority.LIVE], counts[Priority.BACKFILL]

    alone, live, backfill = limited(url, Limits(requests_per_minute=3000), use)
    assert alone > 60  # of 98
    assert live > 4 * backfill  # 19 times
    assert backfill >= 1
    assert live + backfill > 50


def test_without_redis_calls_wait_until_it_is_back(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)

    async def use(limiter: FleetLimiter) -> None:
        nonlocal server
        hook = limiter.hook()
        permit = await hook.before(call())
        server.stop()
        await hook.after(permit, call(), used(1, 1))  # the refund is lost, nothing else
        waiting = asyncio.create_task(hook.before(call()))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        server = await asyncio.to_thread(RedisServer, tmp_path, server.socket)
        await wait_until_async(waiting.done)
        assert waiting.result().prompt_tokens == 10

    try:
        limited(server.url, Limits(tokens_per_minute=6000), use)
    finally:
        server.stop()


def test_an_emptied_redis_admits_nothing_until_it_is_marked(url: str) -> None:
    async def use(limiter: FleetLimiter) -> None:
        waiting = asyncio.create_task(limiter.hook().before(call()))
        done, _ = await asyncio.wait([waiting], timeout=0.8)
        assert not done
        redis.Redis.from_url(url).set(MARKER, "coordinator")
        await wait_until_async(waiting.done)

    limited(url, Limits(requests_per_minute=600), use, guarded=True)


def test_keys_reveal_nothing_and_expire(url: str) -> None:
    async def use(limiter: FleetLimiter) -> None:
        await limiter.hook().before(call())
        client = redis.Redis.from_url(url)
        names = {key.decode() for key in client.scan_iter()}
        assert names == set(keys(ENDPOINT, MODEL)[:2])
        assert not names & set(keys(ENDPOINT, "another"))
        assert not any("llm" in key for key in names)
        assert all(0 < client.ttl(key) <= 7200 for key in names)

    limited(url, Limits(requests_per_minute=60), use)
