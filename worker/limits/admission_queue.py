"""Where the calls of one process wait for their turn: one model, one class of jobs.

Calls that wait together ask together: one run of the script settles what has ended and admits as
many as may go. So a fleet costs Redis some runs a second for each process, however many calls.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.exceptions import RedisError

from ruie.db.jobs import Priority
from ruie.errors import RateLimitedError
from ruie.worker.limits.headers import ProviderLimit
from ruie.worker.limits.types import FREE, WEIGHTS, Limits, Permit

log = logging.getLogger("ruie.limits")

AT_ONCE = 64
"""Calls that ask together, at most."""
FREE_S = 0.25
"""Where nothing binds, how old that knowledge may be: asking before every call would be a fifth
of what a call costs us."""
REDIS_AWAY_S = 1.0
LONGEST_S = 90.0
"""A longer wait is not spent in a worker's hands: the items go back to SQL with their time."""

Turn = Callable[[str], Awaitable[Sequence[int]]]


class AdmissionQueue:
    """run_script runs the script on this queue's keys with one JSON document."""

    def __init__(
        self, run_script: Turn, limits: Limits, priority: Priority, ttl_s: float, guarded: bool
    ) -> None:
        self._run_script = run_script
        classes = sorted(WEIGHTS, reverse=True)
        self._owner = uuid.uuid4().hex[:12]
        self._fixed = {
            "guarded": guarded,
            "limits": limits.per_minute,
            "burst": limits.burst_s,
            "flight": limits.calls_in_flight,
            "ttl": ttl_s,
            "class": 1 + classes.index(priority),
            "weights": [WEIGHTS[each] for each in classes],
            "owner": self._owner,
        }
        self._numbers = itertools.count()
        self._waiting: deque[tuple[asyncio.Future[Permit], int, int]] = deque()
        self._settlements: list[tuple[str, int, int, int, int]] = []
        self._news: dict[str, Any] = {}
        self._tally = self._good = 0
        self._free_until = 0.0
        self._ended = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    async def admit(self, prompt_tokens: int, completion_tokens: int) -> Permit:
        """Wait for a turn. Raises `RateLimitedError` where that takes longer than LONGEST_S."""
        if not self._waiting and time.monotonic() < self._free_until:
            self._tally += 1
            return FREE
        future: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, prompt_tokens, completion_tokens))
        self._start()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                # Admitted in the same moment: nothing was sent, so all of it is given back.
                got = future.result()
                self.settle(got, 1, got.prompt_tokens, got.completion_tokens)
            raise

    def settle(self, permit: Permit, requests: int, prompt: int, completion: int) -> None:
        """Give back a call in flight and the amounts that were not used (negative: used more)."""
        if permit is not FREE:
            self._settlements.append((permit.id, permit.slot, requests, prompt, completion))
            self._wake()

    def succeeded(self) -> None:
        """A call was answered: pauses need not grow."""
        self._good += 1

    def throttled(self, retry_after: float | None) -> None:
        """The provider said it was too much: nobody calls for so long, then more slowly."""
        wait_s = -1.0 if retry_after is None else retry_after
        self._news["throttle"] = max(self._news.get("throttle", -1.0), wait_s)
        self._free_until = 0.0
        self._wake()

    def learned(self, limits: Sequence[ProviderLimit]) -> None:
        """The provider told its limits."""
        self._news["learn"] = [(t.dimension, t.limit, t.remaining, t.reset_s) for t in limits]
        self._wake()

    def _wake(self) -> None:
        self._ended.set()
        self._start()

    def _start(self) -> None:
        if self._pump is None or self._pump.done():
            self._pump = asyncio.get_running_loop().create_task(self._turns())

    async def _turns(self) -> None:
        """Turn after turn, until nobody waits and nothing is left to say."""
        away = closed = False
        while self._waiting or self._settlements or self._news:
            self._ended.clear()
            while self._waiting and self._waiting[0][0].done():
                self._waiting.popleft()  # whoever waited has gone
            asked = list(itertools.islice(self._waiting, AT_ONCE))
            settled, self._settlements = self._settlements, []
            news, self._news = self._news, {}
            tally, self._tally = self._tally, 0
            first = next(self._numbers)
            document = self._fixed | news
            document |= {"tally": tally, "settle": settled, "first": first * AT_ONCE}
            document["good"], self._good = self._good, 0
            document["ask"] = [(prompt, completion) for _, prompt, completion in asked]
            try:
                told = await self._run_script(json.dumps(document))
            except (RedisError, OSError) as error:
                # What was settled may be lost with it: the window empties by itself.
                self._news = news | self._news
                if not away:
                    log.warning("limits: Redis does not answer (%s), calls wait", error)
                away = True
                await asyncio.sleep(REDIS_AWAY_S)
                continue
            if away:
                log.info("limits: Redis is back")
                away = False
            if told[4] and not closed:
                log.warning("limits: Redis was emptied, calls wait for a coordinator to restore it")
            closed = bool(told[4])
            await self._told(asked, first * AT_ONCE, *told)

    async def _told(
        self,
        asked: Sequence[tuple[asyncio.Future[Permit], int, int]],
        first: int,
        admitted: int,
        wait_us: int,
        slot: int,
        free: int,
        closed: int,
    ) -> None:
        if free:
            self._free_until = time.monotonic() + FREE_S
        for number, (future, prompt, completion) in enumerate(asked[:admitted]):
            self._waiting.popleft()
            permit = Permit(f"{self._owner}:{first + number}", slot, prompt, completion)
            if future.done():
                self.settle(permit, 1, prompt, completion)
            else:
                future.set_result(FREE if free else permit)
        if not self._waiting or admitted == len(asked):
            return
        wait_s = wait_us / 1e6
        if wait_s > LONGEST_S and not closed:
            for future, _, _ in self._waiting:
                if not future.done():
                    future.set_exception(
                        RateLimitedError(
                            "The endpoint is paused, or its limit is used up, for longer than a "
                            "call waits.",
                            retry_after=wait_s,
                        )
                    )
            self._waiting.clear()
            return
        try:
            # A call of ours that ends may make room before the time is up.
            await asyncio.wait_for(self._ended.wait(), wait_s)
        except TimeoutError:
            return
        await asyncio.sleep(min(wait_s, 0.005))  # others may be ending with it
