"""A fleet limiter on a real Redis, and what it admitted on that Redis's clock."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import redis
from redis.asyncio import Redis
from support.waiting import PATIENCE_S

from ruie.llm import Call, Completion, Usage
from ruie.worker.limits import FleetLimiter, Limits
from ruie.worker.limits.types import keys

T = TypeVar("T")
MODEL = "m"
ENDPOINT = "http://llm"


def call(prompt_tokens: int = 10, max_tokens: int = 90, model: str = MODEL) -> Call:
    return Call(model, (), max_tokens=max_tokens, prompt_tokens=prompt_tokens)


def used(prompt_tokens: int, completion_tokens: int, **headers: str) -> Completion:
    told = {f"x-ratelimit-{name.replace('_', '-')}": value for name, value in headers.items()}
    return Completion("x", "stop", Usage(prompt_tokens, completion_tokens), 0.1, told)


def limited(
    url: str,
    limits: Limits,
    use: Callable[[FleetLimiter], Awaitable[T]],
    *,
    call_timeout_s: float = 120.0,
    guarded: bool = False,
) -> T:
    async def run() -> T:
        async with Redis.from_url(url) as client:
            limiter = FleetLimiter(
                client, ENDPOINT, limits, call_timeout_s=call_timeout_s, guarded=guarded
            )
            given = await use(limiter)
            await asyncio.sleep(0.05)  # what is being settled
            return given

    return asyncio.run(run())


def state(url: str, name: str, model: str = MODEL) -> float:
    """A number of the script's state; its names are explained in worker/limits/script.lua."""
    value = redis.Redis.from_url(url).hget(keys(ENDPOINT, model)[0], name)
    assert isinstance(value, bytes)
    return float(value)


def in_window(url: str, dimension: str, model: str = MODEL) -> float:
    """What the window holds of requests (r), input (i), output (o) or all tokens (t)."""
    window: Any = redis.Redis.from_url(url).hgetall(keys(ENDPOINT, model)[1])
    return sum(float(n) for field, n in window.items() if field.endswith(f":{dimension}".encode()))


@contextmanager
def admissions(url: str, dimension: str = "r") -> Iterator[list[tuple[float, float]]]:
    """When, on Redis's clock in seconds, and how much of a dimension is admitted meanwhile. (A
    client's own clock would show when it was scheduled.)"""
    found: list[tuple[float, float]] = []
    # no time-out: the first command may be long in coming on a busy machine; Any: it has no types
    server: Any = redis.Redis.from_url(url, socket_timeout=None)
    with server.monitor() as monitor:
        end = threading.Event()

        def listen() -> None:
            for command in monitor.listen():
                words = command["command"].split()
                if words[0] == "HINCRBYFLOAT" and words[2].endswith(f":{dimension}"):
                    found.append((command["time"], float(words[3])))
                if words[0] == "PING" and end.is_set():
                    return

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield found
        finally:
            end.set()
            redis.Redis.from_url(url).ping()
            thread.join(PATIENCE_S)
