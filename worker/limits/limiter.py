"""The fleet's limiter as a process uses it: a hook around each call, for each class of jobs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

from redis.asyncio import Redis

from ruie.db.jobs import Priority
from ruie.errors import CallError, RateLimitedError
from ruie.llm import Call, Completion
from ruie.modes import is_flex
from ruie.worker.limits.admission_queue import AdmissionQueue
from ruie.worker.limits.headers import provider_limits
from ruie.worker.limits.script import SCRIPT
from ruie.worker.limits.types import MARKER, Limits, Permit, keys

LEARN_S = 1.0
"""How often one process reports what the provider's headers say, at most."""


class FleetLimiter:
    """The limits of one endpoint, as one process sees them; it belongs to one event loop.

    call_timeout_s: somewhat later, a call in flight is taken for lost with its process. guarded:
    admit nothing until a coordinator has marked that this Redis knows the calls of the last
    minute.
    """

    def __init__(
        self,
        redis: Redis,
        endpoint: str,
        limits: Limits,
        *,
        call_timeout_s: float = 120.0,
        guarded: bool = False,
    ) -> None:
        self._redis = redis
        self._script = redis.register_script(SCRIPT)
        self._endpoint = endpoint
        self._limits = limits
        self._timeout_s = call_timeout_s
        self._guarded = guarded
        self._queues: dict[tuple[str, Priority, float, str], AdmissionQueue] = {}

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._redis.aclose()

    def hook(self, priority: Priority = Priority.NORMAL) -> AdmissionHook:
        """The hook for calls of jobs of this class."""
        return AdmissionHook(self, priority)

    def queue(self, call: Call, priority: Priority) -> AdmissionQueue:
        """Where calls wait that are of this class, and of this call's model, tier and patience."""
        patience_s = max(self._timeout_s, call.timeout_s or self._timeout_s)
        tier = "flex" if is_flex(call.parameters) else ""
        which = (call.model, priority, patience_s, tier)
        if which not in self._queues:
            names = [*keys(self._endpoint, call.model), MARKER]

            async def run_script(document: str) -> Sequence[int]:
                return cast(Sequence[int], await self._script(keys=names, args=[document]))

            self._queues[which] = AdmissionQueue(
                run_script, self._limits, priority, patience_s + 30.0, self._guarded, tier
            )
        return self._queues[which]


class AdmissionHook:
    """A `ruie.llm.CallHook`: reserve before a call, settle with its actual usage after it."""

    def __init__(self, limiter: FleetLimiter, priority: Priority) -> None:
        self._limiter = limiter
        self._priority = priority
        self._learned_at = 0.0

    async def before(self, call: Call) -> Permit:
        """Wait until the call is admitted. Raises `RateLimitedError` where that takes
        longer than a call waits."""
        queue = self._limiter.queue(call, self._priority)
        return await queue.admit(call.prompt_tokens, call.max_tokens)

    async def after(self, permit: Permit, call: Call, outcome: Completion | CallError) -> None:
        """Give back what was not used. A call that failed may still have been counted by the
        provider, so only its output's share is returned."""
        queue = self._limiter.queue(call, self._priority)
        if isinstance(outcome, Completion):
            queue.succeeded()
            queue.settle(
                permit,
                0,
                permit.prompt_tokens - outcome.prompt_tokens,
                permit.completion_tokens - outcome.completion_tokens,
            )
            self._learn(queue, outcome)
        else:
            queue.settle(permit, 0, 0, permit.completion_tokens)
            if isinstance(outcome, RateLimitedError):
                queue.throttled(outcome.retry_after)

    def _learn(self, queue: AdmissionQueue, outcome: Completion) -> None:
        now = time.monotonic()
        if now - self._learned_at < LEARN_S:
            return
        if limits := provider_limits(outcome.headers):
            self._learned_at = now
            queue.learned(limits)
