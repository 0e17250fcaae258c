"""The fleet's limits on a real Redis: what is admitted, by that Redis's own clock."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.limiting import ENDPOINT, MODEL, admissions, call, in_window, limited, state, used
from support.waiting import PATIENCE_S

from ruie.errors import RateLimitedError
from ruie.worker.limits import FleetLimiter, Limits

HUGE = 10**9


def assert_within(admitted: list[tuple[float, float]], per_minute: int) -> None:
    """In no window more than the rate allows in it and a quarter of a second's worth."""
    second = per_minute / 60
    for width in (0.05, 0.25, 1.0, 2.0, 60.0):
        most = min(second * width + max(second / 4, admitted[0][1]), per_minute)
        for start, _ in admitted:
            amount = sum(each for at, each in admitted if start <= at < start + width)
            assert amount <= most + 1e-3, f"{amount} in {width} s, not {most}"


@pytest.mark.parametrize(
    ("limits", "dimension", "per_minute"),
    [
        (Limits(requests_per_minute=6000), "r", 6000),
        (Limits(tokens_per_minute=600_000), "t", 600_000),
        (Limits(input_tokens_per_minute=60_000), "i", 60_000),
        (Limits(output_tokens_per_minute=540_000), "o", 540_000),
        (Limits(requests_per_minute=6000, tokens_per_minute=HUGE), "r", 6000),
        (Limits(requests_per_minute=HUGE, tokens_per_minute=600_000), "t", 600_000),
    ],
    ids=["requests", "tokens", "input", "output", "requests bind", "tokens bind"],
)
def test_what_is_allowed_goes_out_evenly(
    url: str, limits: Limits, dimension: str, per_minute: int
) -> None:
    async def crowd(limiter: FleetLimiter) -> None:
        await asyncio.gather(*(limiter.hook().before(call()) for _ in range(150)))

    with admissions(url, dimension) as admitted:
        limited(url, limits, crowd)
    assert len(admitted) == 150
    assert_within(admitted, per_minute)
    # 24 are admitted at once and the rest at 98 a second: no slower than it must be, either
    assert 1.1 < admitted[-1][0] - admitted[0][0] < 10


def test_no_window_holds_more_than_a_minute_s_limit(url: str) -> None:
    """A limit that is used up at once, by one large request, leaves nothing until the minute is
    over."""

    async def use(limiter: FleetLimiter) -> None:
        hook = limiter.hook()
        await hook.before(call(prompt_tokens=600, max_tokens=0))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hook.before(call(prompt_tokens=1, max_tokens=0)), 1.0)

    limited(url, Limits(tokens_per_minute=600), use)
    assert in_window(url, "t") == 600


def test_a_request_larger_than_the_minute_s_limit_is_admitted_and_leaves_a_debt(url: str) -> None:
    async def use(limiter: FleetLimiter) -> float:
        hook = limiter.hook()
        await hook.before(call(prompt_tokens=1500, max_tokens=0))
        with pytest.raises(RateLimitedError) as refused:
            await hook.before(call(prompt_tokens=10, max_tokens=0))
        return refused.value.retry_after or 0.0

    # two and a half minutes' worth: nothing more for as long
    assert 140 < limited(url, Limits(tokens_per_minute=600), use) < 155


def test_without_a_burst_no_second_holds_more_than_a_sixtieth(url: str) -> None:
    async def crowd(limiter: FleetLimiter) -> None:
        await asyncio.gather(*(limiter.hook().before(call()) for _ in range(60)))

    with admissions(url) as admitted:
        limited(url, Limits(requests_per_minute=1200, burst_s=0.0), crowd)
    times = [at for at, _ in admitted]
    assert len(times) == 60
    assert max(sum(start <= at < start + 1.0 for at in times) for start in times) <= 20
    assert times[-1] - times[0] < 4.5  # 59 at 19.7 a second take 3.0 s


def test_two_processes_share_one_quota(url: str) -> None:
    program = f"""
import asyncio
from redis.asyncio import Redis
from ruie.llm import Call
from ruie.worker.limits import FleetLimiter, Limits

async def run():
    redis = Redis.from_url({url!r})
    hook = FleetLimiter(redis, {ENDPOINT!r}, Limits(requests_per_minute=6000)).hook()
    call = Call({MODEL!r}, (), max_tokens=1, prompt_tokens=1)
    await asyncio.gather(*(hook.before(call) for _ in range(100)))

asyncio.run(run())
"""
    root = Path(__file__).parents[2]
    with admissions(url) as admitted:
        started = [subprocess.Popen([sys.executable, "-c", program], cwd=root) for _ in range(2)]
        assert [process.wait(PATIENCE_S) for process in started] == [0, 0]
    assert len(admitted) == 200
    assert_within(admitted, 6000)


def test_calls_in_flight_are_bounded_and_those_of_killed_processes_expire(url: str) -> None:
    async def use(limiter: FleetLimiter) -> tuple[int, float]:
        hook = limiter.hook()
        flying = most = 0

        async def one() -> None:
            nonlocal flying, most
            permit = await hook.before(call())
            flying += 1
            most = max(most, flying)
            await asyncio.sleep(0.02)
            flying -= 1
            await hook.after(permit, call(), used(10, 90))

        await asyncio.gather(*(one() for _ in range(40)))
        for _ in range(3):
            await hook.before(call())  # whose process is killed
        started = time.monotonic()
        await hook.before(call())
        return most, time.monotonic() - started

    limits = Limits(calls_in_flight=3)
    most, waited = limited(url, limits, use, call_timeout_s=-29.0)  # lost after 1 s
    assert most == 3
    assert 0.5 < waited < 10


def test_a_call_cancelled_while_it_waits_takes_nothing(url: str) -> None:
    async def use(limiter: FleetLimiter) -> None:
        hook = limiter.hook()
        waiting = [asyncio.create_task(hook.before(call())) for _ in range(40)]
        await asyncio.sleep(0.3)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await hook.before(call())

    limited(url, Limits(requests_per_minute=600), use)
    # 2 at once and 10 a second
    assert in_window(url, "r") <= 2 + 0.7 * 10 + 1
    assert state(url, "br") <= 2.5
