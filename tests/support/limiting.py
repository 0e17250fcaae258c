"""A fleet limiter on a real Redis, and what it admitted on that Redis's clock."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import redis
from redis.asyncio import Redis

from ruie.llm import Call, Completion
from worker.limits import FleetLimiter, Limits

T = TypeVar("T")
MODEL = "m"


def call(prompt_tokens: int = 10, max_tokens: int = 90, model: str = MODEL) -> Call:
    return Call(model, (), max_tokens=max_tokens, prompt_tokens=prompt_tokens)


def used(prompt_tokens: int, completion_tokens: int) -> Completion:
    return Completion("x", "stop", prompt_tokens, completion_tokens, 0.1)


def limited(url: str, limits: Limits, use: Callable[[FleetLimiter], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Redis.from_url(url) as client:
            return await use(FleetLimiter(client, "http://llm", limits))

    return asyncio.run(run())


def tokens_left(url: str, limiter: FleetLimiter) -> float:
    told = redis.Redis.from_url(url).hget(limiter.key(MODEL), "tokens")
    assert isinstance(told, bytes)
    return float(told)


@contextmanager
def admissions(url: str) -> Iterator[list[float]]:
    """The times, on Redis's clock in seconds, of what is admitted meanwhile: each admission
    writes its time. (A client's own clock would show when it was scheduled.)"""
    times: list[float] = []
    with redis.Redis.from_url(url).monitor() as monitor:
        end = threading.Event()

        def listen() -> None:
            for command in monitor.listen():
                words = command["command"].split()
                if words[0] == "HSET" and words[2] == "at":
                    times.append(float(words[3]))
                if words[0] == "PING" and end.is_set():
                    return

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield times
        finally:
            end.set()
            redis.Redis.from_url(url).ping()
            thread.join(10)
