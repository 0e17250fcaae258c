"""Where the calls of one process wait for admission: one model, one class of jobs.

One run of the script settles the calls that have ended and admits as many of those that wait as
may go. So a fleet costs Redis some runs a second for each process, however many calls it makes.
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
from dataclasses import astuple
from typing import NamedTuple

from redis.exceptions import RedisError

from ruie.db.jobs import Priority
from ruie.errors import RateLimitedError
from ruie.worker.limits.headers import ProviderLimit
from ruie.worker.limits.script import Reply, Report
from ruie.worker.limits.types import (
    EXPIRE_S,
    FREE,
    SLOTS_PER_S,
    WEIGHTS,
    WINDOW_S,
    Limits,
    Permit,
)

log = logging.getLogger("ruie.limits")

CALLS_PER_RUN = 64
"""Calls that one run of the script decides about, at most."""
FREE_S = 0.25
"""For how long a process admits its own calls after a run in which no limit applied: a run before
every call would be a fifth of what a call costs us."""
REDIS_AWAY_S = 1.0
LONGEST_WAIT_S = 90.0
"""A longer wait is not spent in a worker: the items go back to SQL with the time to retry at."""

RunScript = Callable[[str], Awaitable[Sequence[int]]]


class _Waiting(NamedTuple):
    future: asyncio.Future[Permit]
    prompt_tokens: int
    completion_tokens: int
    since: float


class AdmissionQueue:
    """run_script runs the script on this queue's keys with one JSON document. tier: of its calls,
    where that is throttled apart from others."""

    def __init__(
        self,
        run_script: RunScript,
        limits: Limits,
        priority: Priority,
        ttl_s: float,
        guarded: bool,
        tier: str = "",
    ) -> None:
        self._run_script = run_script
        classes = sorted(WEIGHTS, reverse=True)
        self._owner = uuid.uuid4().hex[:12]
        self._fixed = {
            "slots": SLOTS_PER_S,
            "window": WINDOW_S,
            "expire": EXPIRE_S,
            "guarded": guarded,
            "limits": limits.per_minute,
            "burst": limits.burst_s,
            "flight": limits.calls_in_flight,
            "ttl": ttl_s,
            "class": 1 + classes.index(priority),
            "weights": [WEIGHTS[each] for each in classes],
            "owner": self._owner,
            "tier": tier,
        }
        self._runs = itertools.count()
        self._waiting: deque[_Waiting] = deque()
        self._report = Report()
        self._free_until = 0.0
        self._settled = asyncio.Event()
        self._away = self._closed = False
        self._running: asyncio.Task[None] | None = None

    async def admit(self, prompt_tokens: int, completion_tokens: int) -> Permit:
        """Wait for admission. Raises `RateLimitedError` where it takes longer than
        LONGEST_WAIT_S."""
        if not self._waiting and time.monotonic() < self._free_until:
            self._report.tally += 1
            return FREE
        future: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(future, prompt_tokens, completion_tokens, time.monotonic())
        self._waiting.append(waiting)
        self._start()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                # Admitted in the same moment: nothing was sent, so all of it is given back.
                permit = future.result()
                self.settle(permit, 1, permit.prompt_tokens, permit.completion_tokens)
            raise

    def settle(self, permit: Permit, requests: int, prompt: int, completion: int) -> None:
        """Give back a call in flight and the amounts that were not used (negative: used more)."""
        if permit is not FREE:
            self._report.settle.append((permit.id, permit.slot, requests, prompt, completion))
            self._wake()

    def succeeded(self) -> None:
        """A call was answered: the next pause is a short one again."""
        self._report.good += 1

    def throttled(self, retry_after: float | None) -> None:
        """The provider throttles: every process pauses for so long, then calls more slowly."""
        wait_s = -1.0 if retry_after is None else retry_after
        known = self._report.throttle
        self._report.throttle = wait_s if known is None else max(known, wait_s)
        self._free_until = 0.0
        self._wake()

    def learned(self, limits: Sequence[ProviderLimit]) -> None:
        """The provider stated its limits."""
        self._report.learn = [astuple(limit) for limit in limits]
        self._wake()

    def _wake(self) -> None:
        self._settled.set()
        self._start()

    def _start(self) -> None:
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Run the script, again and again, until no call waits and nothing is to be reported."""
        while self._waiting or self._report.due:
            self._settled.clear()
            calls = self._next_calls()
            reply = await self._exchange(calls)
            if reply is None:
                await asyncio.sleep(REDIS_AWAY_S)
                continue
            self._grant(calls, reply)
            if self._waiting and reply.admitted < len(calls):
                await self._wait(reply)

    def _next_calls(self) -> list[_Waiting]:
        while self._waiting and self._waiting[0].future.done():
            self._waiting.popleft()  # cancelled while it waited
        return list(itertools.islice(self._waiting, CALLS_PER_RUN))

    async def _exchange(self, calls: Sequence[_Waiting]) -> Reply | None:
        """One run of the script; None where Redis does not answer."""
        first = next(self._runs) * CALLS_PER_RUN
        report, self._report = self._report, Report()
        document = {
            **self._fixed,
            **report.document(),
            "first": first,
            "ask": [(call.prompt_tokens, call.completion_tokens) for call in calls],
        }
        try:
            reply = Reply(first, *await self._run_script(json.dumps(document)))
        except (RedisError, OSError) as error:
            self._report.restore(report)
            if not self._away:
                log.warning("limits: Redis does not answer (%s), calls wait", error)
            self._away = True
            return None
        if self._away:
            log.info("limits: Redis is back")
        if reply.closed and not self._closed:
            log.warning("limits: Redis was emptied, calls wait for a coordinator to restore it")
        self._away, self._closed = False, bool(reply.closed)
        return reply

    def _grant(self, calls: Sequence[_Waiting], reply: Reply) -> None:
        """Hand out the permits, in order."""
        now = time.monotonic()
        if reply.free:
            self._free_until = now + FREE_S
        self._report.admitted += reply.admitted
        self._report.waited_s += sum(now - call.since for call in calls[: reply.admitted])
        for number, call in enumerate(calls[: reply.admitted], reply.first):
            self._waiting.popleft()
            permit = Permit(
                f"{self._owner}:{number}", reply.slot, call.prompt_tokens, call.completion_tokens
            )
            if call.future.done():  # cancelled during the run
                self.settle(permit, 1, call.prompt_tokens, call.completion_tokens)
            else:
                call.future.set_result(FREE if reply.free else permit)

    async def _wait(self, reply: Reply) -> None:
        """Until the next call may be admitted, or refuse them all where that is too long."""
        wait_s = reply.wait_us / 1e6
        if wait_s > LONGEST_WAIT_S and not reply.closed:
            self._refuse(wait_s)
            return
        try:
            # A call of ours that ends may make room before the time is up.
            await asyncio.wait_for(self._settled.wait(), wait_s)
        except TimeoutError:
            return
        await asyncio.sleep(min(wait_s, 0.005))  # others may be ending with it

    def _refuse(self, wait_s: float) -> None:
        for call in self._waiting:
            if not call.future.done():
                call.future.set_exception(
                    RateLimitedError(
                        "The endpoint is paused, or its limit is used up, for longer than a "
                        "call waits.",
                        retry_after=wait_s,
                    )
                )
        self._waiting.clear()
