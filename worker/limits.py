"""Limits shared by the whole fleet: requests and tokens a minute for each endpoint and model.

One Lua script on Redis's own clock reserves from two token buckets at once; nobody reads first
and writes later. A bucket holds one second's worth and fills at such a rate that a full bucket
plus a minute's refill is exactly the limit: no window of 60 s ever exceeds it. A request larger
than the bucket is admitted when the bucket is full and puts it into debt. When Redis cannot be
reached nothing is admitted: calls wait until it is back.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ruie.errors import CallError, RateLimitedError
from ruie.llm import Call, Completion

log = logging.getLogger("ruie.limits")

WAIT_FOR_REDIS_S = 1.0
RECHECK_S = 0.25
"""Where no limit is set, how old the knowledge may be that the endpoint is not paused: asking
before every call would be a fifth of what a call costs us."""

# KEYS[1]: hash of the endpoint and model. ARGV: requests a minute, tokens a minute, tokens asked.
# Returns the microseconds to wait; 0 means reserved.
_RESERVE = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1e6
local s = redis.call('HMGET', KEYS[1], 'at', 'requests', 'tokens', 'paused')
local at = tonumber(s[1]) or now
if s[4] and tonumber(s[4]) > now then return math.ceil((tonumber(s[4]) - now) * 1e6) end
local wait = 0
local levels = {}
for i, name in ipairs({'requests', 'tokens'}) do
  local limit = tonumber(ARGV[i])
  if limit > 0 then
    local size = math.max(1, limit / 60)
    local rate = math.max(limit - size, limit / 2) / 60
    local level = math.min(size, (tonumber(s[i + 1]) or size) + (now - at) * rate)
    local asked = i == 1 and 1 or tonumber(ARGV[3])
    local needed = math.min(asked, size)
    if level < needed then wait = math.max(wait, (needed - level) / rate) end
    levels[name] = level - asked
  end
end
if wait > 0 then return math.ceil(wait * 1e6) end
redis.call('HSET', KEYS[1], 'at', now)
for name, level in pairs(levels) do redis.call('HSET', KEYS[1], name, level) end
redis.call('EXPIRE', KEYS[1], 3600)
return 0
"""

# ARGV: tokens to give back (negative: tokens used beyond the reservation).
_SETTLE = """
if redis.call('HEXISTS', KEYS[1], 'tokens') == 1 then
  redis.call('HINCRBYFLOAT', KEYS[1], 'tokens', ARGV[1])
end
return 0
"""

# ARGV: seconds. A later end of the pause wins.
_PAUSE = """
local t = redis.call('TIME')
local till = tonumber(t[1]) + tonumber(t[2]) / 1e6 + tonumber(ARGV[1])
local old = tonumber(redis.call('HGET', KEYS[1], 'paused')) or 0
if till > old then redis.call('HSET', KEYS[1], 'paused', till) end
redis.call('EXPIRE', KEYS[1], 7200)
return 0
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """0 means no limit."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0


UNLIMITED = Limits()


class FleetLimiter:
    """A `ruie.llm.CallHook`: reserve before a call, settle with the true usage after it."""

    def __init__(self, redis: Redis, endpoint: str, limits: Limits) -> None:
        self._redis = redis
        self._endpoint = endpoint
        self._limits = limits
        self._free_until: dict[str, float] = {}  # by model
        self._reserve = redis.register_script(_RESERVE)
        self._settle = redis.register_script(_SETTLE)
        self._pause = redis.register_script(_PAUSE)

    def key(self, model: str) -> str:
        name = hashlib.sha256(f"{self._endpoint}\n{model}".encode()).hexdigest()[:24]
        return f"ruie:limit:{name}"

    async def before(self, call: Call) -> int:
        """Wait until the call is admitted; returns the tokens reserved for it."""
        tokens = call.prompt_tokens + call.max_tokens
        if self._limits == UNLIMITED and time.monotonic() < self._free_until.get(call.model, 0.0):
            return tokens
        arguments = [self._limits.requests_per_minute, self._limits.tokens_per_minute, tokens]
        while True:
            try:
                wait_us = int(await self._reserve(keys=[self.key(call.model)], args=arguments))
            except (RedisError, OSError) as error:
                log.warning("limits: Redis does not answer (%s), calls wait", error)
                await asyncio.sleep(WAIT_FOR_REDIS_S)
                continue
            if wait_us <= 0:
                self._free_until[call.model] = time.monotonic() + RECHECK_S
                return tokens
            await asyncio.sleep(wait_us / 1e6)

    async def after(self, permit: int, call: Call, outcome: Completion | CallError) -> None:
        """Give back what was not used. A call that failed may still have been counted by the
        provider, so only its output's share is returned."""
        if isinstance(outcome, Completion):
            unused = permit - outcome.prompt_tokens - outcome.completion_tokens
        else:
            unused = call.max_tokens
        try:
            if self._limits.tokens_per_minute and unused:
                await self._settle(keys=[self.key(call.model)], args=[unused])
            if isinstance(outcome, RateLimitedError):
                await self.pause(call.model, outcome.retry_after or 2.0)
        except (RedisError, OSError) as error:
            # Nothing is lost but a refund: the bucket fills by itself.
            log.warning("limits: Redis does not answer (%s), a refund is lost", error)

    async def pause(self, model: str, seconds: float) -> None:
        """Nobody calls this model for so long."""
        self._free_until.pop(model, None)
        await self._pause(keys=[self.key(model)], args=[seconds])
