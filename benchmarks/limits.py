"""How much of a quota the fleet's limiter uses, what the provider refuses, and what it costs.

    python benchmarks/limits.py [--minutes 2] [--processes 8] [--requests 3000] [--tokens 0]

Worker processes, each with an event loop and more calls to make than it may, share one quota of
`tests/support/metered.py`, which enforces it in every sliding minute and counts what arrives. The
first minutes fill the window; then the share is measured. The same for a limiter that reads its
counters, compares, and adds. At last, admissions a second of each alone, with nothing to wait for,
from two processes. Everything, Redis and the endpoint too, is on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from redis.asyncio import Redis  # noqa: E402  # after the path above
from rich.console import Console  # noqa: E402  # likewise
from rich.table import Table  # noqa: E402  # likewise
from support.audit import fullest  # noqa: E402  # likewise
from support.corpus import rows  # noqa: E402  # likewise
from support.metered import MeteredEndpoint  # noqa: E402  # likewise
from support.metering import Plan, Quota  # noqa: E402  # likewise

from ruie.errors import CallError  # noqa: E402  # likewise
from ruie.llm import Call, CallHook, Completion, LLMClient, Usage  # noqa: E402  # likewise
from ruie.tokens import estimate_messages  # noqa: E402  # likewise
from ruie.worker.embedded.redis_server import RedisServer  # noqa: E402  # likewise

MODEL = "scripted"
MAX_TOKENS = 48
IN_FLIGHT = 32
FILLING_S = 70.0
"""After so long the sliding minute is full, and the first burst has left it."""
ENDLESS = 1_000_000_000
FILLER = "The weather in the city was fine that day . " * 10


def ours(redis: Redis, endpoint: str, requests: int, tokens: int) -> CallHook:
    """The fleet's limiter as the worker uses it; the only place that knows its interface."""
    from ruie.worker.limits import FleetLimiter, Limits

    limits = Limits(requests_per_minute=requests, tokens_per_minute=tokens)
    return FleetLimiter(redis, endpoint, limits).hook()


class Naive:
    """Reads the minute's counters, compares them with the limits, and then adds."""

    def __init__(self, redis: Redis, requests: int, tokens: int) -> None:
        self._redis = redis
        self._limits = {"requests": requests, "tokens": tokens}

    async def before(self, call: Call) -> None:
        amounts = {"requests": 1, "tokens": call.prompt_tokens + call.max_tokens}
        while True:
            minute = int(time.time() // 60)
            fits = True
            for name, limit in self._limits.items():
                used = int(await self._redis.get(f"naive:{name}:{minute}") or 0)
                fits = fits and (not limit or used + amounts[name] <= limit)
            if fits:
                for name, amount in amounts.items():
                    await self._redis.incrby(f"naive:{name}:{minute}", amount)
                return
            await asyncio.sleep(0.05)

    async def after(self, permit: Any, call: Call, outcome: Completion | CallError) -> None:
        return None


def hook(told: dict[str, Any]) -> CallHook:
    redis = Redis.from_url(told["redis"], max_connections=1024)
    if told["naive"]:
        return Naive(redis, told["requests"], told["tokens"])
    return ours(redis, told["endpoint"], told["requests"], told["tokens"])


async def work(told: dict[str, Any]) -> int:
    """One process: as many calls as it may make until the time is up."""
    client = LLMClient(told["endpoint"], max_in_flight=IN_FLIGHT, timeout_s=90, hook=hook(told))
    corpus = iter(rows(50_000, told["series"]))
    end = time.monotonic() + told["seconds"]
    made = 0

    async def one_after_another() -> None:
        nonlocal made
        while time.monotonic() < end:
            asked = f"{FILLER}\nSentence: {next(corpus)['text']}\nEntities:"
            messages = ({"role": "user", "content": asked},)
            call = Call(MODEL, messages, MAX_TOKENS, estimate_messages(messages))
            try:
                await client.complete(call)
            except CallError:
                await asyncio.sleep(0.1)
            made += 1

    calling = [asyncio.create_task(one_after_another()) for _ in range(IN_FLIGHT)]
    await asyncio.sleep(told["seconds"])
    for task in calling:
        task.cancel()
    await asyncio.gather(*calling, return_exceptions=True)
    await client.close()
    return made


async def admit(told: dict[str, Any]) -> int:
    """One process: admissions alone, each settled as a worker settles it."""
    limiter = hook(told)
    call = Call(MODEL, (), MAX_TOKENS, 100)
    done = Completion("", "stop", Usage(90, 10), 0.1)
    end = time.monotonic() + told["seconds"]
    made = 0

    async def one_after_another() -> None:
        nonlocal made
        while time.monotonic() < end:
            await limiter.after(await limiter.before(call), call, done)
            made += 1

    await asyncio.gather(*(one_after_another() for _ in range(128)))
    return made


def processes(count: int, what: str, told: dict[str, Any]) -> int:
    """So many processes of this script at once; gives the sum of what they made."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    started = [
        subprocess.Popen(
            [sys.executable, __file__, "--process", what, json.dumps(told | {"series": number})],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        for number in range(count)
    ]
    return sum(int(process.communicate()[0]) for process in started)


def shares(options: argparse.Namespace, naive: bool, folder: Path) -> list[str]:
    """One run against the endpoint: a row of the table."""
    quota = Quota(requests=options.requests, tokens=options.tokens)
    measured = options.minutes * 60.0
    redis = RedisServer(folder)
    with MeteredEndpoint(Plan(quota=quota, delay_s=(0.2, 0.6)), folder) as endpoint:
        told = {"redis": redis.url, "endpoint": endpoint.url, "naive": naive}
        told |= {"requests": quota.requests, "tokens": quota.tokens}
        started = time.monotonic()
        processes(options.processes, "work", told | {"seconds": FILLING_S + measured + 5.0})
        log = [entry for entry in endpoint.log() if entry.ended]
    redis.stop()
    begin = started + FILLING_S
    taken = [entry for entry in log if entry.counted and begin <= entry.at < begin + measured]
    used = {
        "requests": len(taken),
        "tokens": sum(entry.prompt_tokens + entry.completion_tokens for entry in taken),
    }
    told_shares = [
        f"{used[name] / (limit * options.minutes):.1%}" if limit else "no limit"
        for name, limit in (("requests", quota.requests), ("tokens", quota.tokens))
    ]
    windows = fullest([(entry.at, 1) for entry in log if entry.counted], 60.0)
    refused = sum(bool(entry.refused) for entry in log)
    return ["check, then add" if naive else "ours", *told_shares, str(windows), str(refused)]


def alone(naive: bool, folder: Path) -> float:
    """Admissions a second of two processes that need not wait."""
    redis = RedisServer(folder)
    told = {"redis": redis.url, "endpoint": "http://none", "naive": naive, "seconds": 10.0}
    made = processes(2, "admit", told | {"requests": ENDLESS, "tokens": ENDLESS})
    redis.stop()
    return made / 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="measured, after the first")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--requests", type=int, default=3000, help="a minute; 0: no limit")
    parser.add_argument("--tokens", type=int, default=0, help="a minute; 0: no limit")
    parser.add_argument("--process", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.process:
        what, told = options.process
        print(asyncio.run({"work": work, "admit": admit}[what](json.loads(told))))
        return
    columns = ("limiter", "requests", "tokens", "fullest minute", "refused", "admissions/s alone")
    table = Table(*columns)
    for naive in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            row = [*shares(options, naive, Path(folder)), f"{alone(naive, Path(folder)):,.0f}"]
            print("  ".join(row), flush=True)
            table.add_row(*row)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
