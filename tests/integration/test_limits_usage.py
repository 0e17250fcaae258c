"""How much of each limit is used, as metrics read it from what the limiter keeps in Redis."""

from __future__ import annotations

import asyncio
import time

import redis
from support.limiting import ENDPOINT, MODEL, call, limited, used

from ruie.errors import RateLimitedError
from ruie.worker.limits import FleetLimiter, Limits
from ruie.worker.limits.usage import LimitUsage, read_usage

TARGET = (ENDPOINT, MODEL)


def usage(url: str, limits: Limits, *targets: tuple[str, str]) -> list[LimitUsage]:
    with redis.Redis.from_url(url) as client:
        return read_usage(client, targets or (TARGET,), limits)


def test_an_endpoint_that_was_not_called_has_none(url: str) -> None:
    assert usage(url, Limits()) == []
    assert usage(url, Limits(), ("", ""), TARGET) == []


def test_what_the_window_has_and_what_is_in_flight(url: str) -> None:
    limits = Limits(requests_per_minute=600, tokens_per_minute=6000, calls_in_flight=8)

    async def use(limiter: FleetLimiter) -> None:
        hook = limiter.hook()
        first = await hook.before(call(10, 90))
        await hook.before(call(20, 80))  # stays in flight
        await hook.after(first, call(10, 90), used(10, 40))

    limited(url, limits, use)
    (found,) = usage(url, limits)
    assert found.per_minute == {"r": 600, "t": 6000}
    assert (found.used["r"], found.used["t"]) == (2, 150)
    assert (found.most_in_flight, found.in_flight) == (8, 1)
    assert (found.pause_s, found.ceiling_per_s) == (0, None)


def test_limits_that_the_provider_stated(url: str) -> None:
    async def use(limiter: FleetLimiter) -> None:
        hook = limiter.hook()
        permit = await hook.before(call())
        stated = used(10, 40, limit_requests="500", remaining_requests="499", reset_requests="1s")
        await hook.after(permit, call(), stated)

    limited(url, Limits(), use)
    (found,) = usage(url, Limits())
    assert found.per_minute == {"r": 500}


def test_a_provider_that_throttles(url: str) -> None:
    async def use(limiter: FleetLimiter) -> None:
        hook = limiter.hook()
        permit = await hook.before(call())
        await hook.after(permit, call(), RateLimitedError("x", retry_after=600.0))

    limited(url, Limits(), use)
    (found,) = usage(url, Limits())
    assert 500 < found.pause_s <= 600
    assert found.ceiling_per_s is not None


def test_waits_are_added_up(url: str) -> None:
    """Of 12 requests a second, one goes out at once and the others wait for their turn."""
    limits = Limits(requests_per_minute=732, burst_s=0.0)
    began = time.monotonic()

    async def use(limiter: FleetLimiter) -> None:
        hook = limiter.hook()
        await asyncio.gather(*(hook.before(call()) for _ in range(6)))
        await hook.before(call())  # whose run reports the others

    limited(url, limits, use)
    passed = time.monotonic() - began
    (found,) = usage(url, limits)
    assert 5 <= found.admitted <= 7
    assert 0 < found.waited_s <= found.admitted * passed
