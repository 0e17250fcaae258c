"""The fleet's limits against a real Redis: what is admitted, measured where it is admitted."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.limiting import MODEL, admissions, call, limited, tokens_left

from worker.limits import FleetLimiter, Limits


def assert_within(times: list[float], each: int, per_minute: int) -> None:
    """In no window more than the rate gives in it and one second's worth."""
    second = per_minute / 60
    for width in (0.05, 0.25, 1.0, 2.0, 60.0):
        most = min(second * width + second, per_minute)
        for start in times:
            admitted = each * sum(start <= at < start + width for at in times)
            assert admitted <= most + 1e-6, f"{admitted} in {width} s, not {most}"


@pytest.mark.parametrize(
    ("limits", "each", "per_minute"),
    [
        (Limits(requests_per_minute=6000), 1, 6000),
        (Limits(tokens_per_minute=600_000), 100, 600_000),
        (Limits(requests_per_minute=6000, tokens_per_minute=10**9), 1, 6000),
        (Limits(requests_per_minute=10**7, tokens_per_minute=600_000), 100, 600_000),
    ],
    ids=["requests", "tokens", "both, requests bind", "both, tokens bind"],
)
def test_no_window_holds_more_than_the_limit(
    url: str, limits: Limits, each: int, per_minute: int
) -> None:
    async def crowd(limiter: FleetLimiter) -> float:
        started = time.monotonic()
        await asyncio.gather(*(limiter.before(call()) for _ in range(250)))
        return time.monotonic() - started

    with admissions(url) as times:
        took = limited(url, limits, crowd)
    assert len(times) == 250
    assert_within(times, each, per_minute)
    # 100 are admitted at once and 150 more at 100 a second: no slower than it must be, either
    assert 1.4 < max(times) - min(times) < 4
    assert took < 15


def test_two_processes_share_one_quota(url: str) -> None:
    program = f"""
import asyncio
from redis.asyncio import Redis
from ruie.llm import Call
from worker.limits import FleetLimiter, Limits

async def run():
    limiter = FleetLimiter(Redis.from_url({url!r}), "http://llm", Limits(requests_per_minute=6000))
    call = Call({MODEL!r}, (), max_tokens=1, prompt_tokens=1)
    await asyncio.gather(*(limiter.before(call) for _ in range(125)))

asyncio.run(run())
"""
    root = Path(__file__).parents[2]
    with admissions(url) as times:
        started = [subprocess.Popen([sys.executable, "-c", program], cwd=root) for _ in range(2)]
        assert [process.wait(60) for process in started] == [0, 0]
    assert len(times) == 250
    assert_within(times, 1, 6000)


def test_a_request_larger_than_the_bucket_is_admitted_as_debt(url: str) -> None:
    async def use(limiter: FleetLimiter) -> float:
        await limiter.before(call(prompt_tokens=250, max_tokens=0))  # a second's worth is 100
        assert tokens_left(url, limiter) == pytest.approx(-150)
        started = time.monotonic()
        await limiter.before(call(prompt_tokens=10, max_tokens=0))
        return time.monotonic() - started

    # 160 tokens at 98.3 a second
    assert 1.5 < limited(url, Limits(tokens_per_minute=6000), use) < 5
