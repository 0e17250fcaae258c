"""How much of each limit is used at this moment, read from what script.lua keeps in Redis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from redis import Redis

from ruie.worker.limits.types import SLOTS_PER_S, Limits, keys

DIMENSIONS = ("r", "i", "o", "t")
"""Requests, input, output and total tokens, as script.lua names them."""
TIERS = ("", "flex")


@dataclass(frozen=True, slots=True)
class LimitUsage:
    """Of an endpoint and model. per_minute: the limits that apply, configured or learned, by
    dimension; used: how much of each the last minute has. most_in_flight: 0 where that is not
    limited, and not counted. pause_s: seconds until the provider is asked again. ceiling_per_s:
    requests a second, for some time after it throttled; None: none. admitted, waited_s: calls that
    Redis admitted, and how long they waited for it, since its state is there.
    """

    endpoint: str
    model: str
    per_minute: Mapping[str, int]
    used: Mapping[str, int]
    most_in_flight: int
    in_flight: int
    pause_s: float
    ceiling_per_s: float | None
    admitted: int
    waited_s: float


def read_usage(
    redis: Redis, targets: Iterable[tuple[str, str]], limits: Limits
) -> list[LimitUsage]:
    """Of those endpoints and models that were called lately. limits: as configured."""
    listed = sorted(set(targets))
    seconds, microseconds = redis.time()
    now = seconds + microseconds / 1e6
    with redis.pipeline(transaction=False) as together:
        for target in listed:
            state, window, flight = keys(*target)
            together.hgetall(state)
            together.hgetall(window)
            together.zcount(flight, now, "+inf")
        answers = together.execute()
    return [
        _usage(target, _numbers(state), window, flying, limits, now)
        for target, state, window, flying in zip(
            listed, answers[0::3], answers[1::3], answers[2::3], strict=True
        )
        if state
    ]


def _usage(
    target: tuple[str, str],
    state: Mapping[str, float],
    window: Mapping[bytes, bytes],
    flying: int,
    limits: Limits,
    now: float,
) -> LimitUsage:
    per_minute = {
        dimension: int(most or state.get(f"L{dimension}", 0))
        for dimension, most in zip(DIMENSIONS, limits.per_minute, strict=True)
    }
    tiers = [tier for tier in TIERS if f"et{tier}" in state]
    return LimitUsage(
        *target,
        {dimension: most for dimension, most in per_minute.items() if most},
        _used(window, now),
        limits.calls_in_flight,
        flying if limits.calls_in_flight else 0,
        min((max(0.0, state.get(f"pause{tier}", 0.0) - now) for tier in tiers), default=0.0),
        _ceiling(state, tiers, now),
        int(state.get("wn", 0)),
        state.get("ws", 0.0),
    )


def _numbers(state: Mapping[bytes, bytes]) -> dict[str, float]:
    return {name.decode(): float(value) for name, value in state.items()}


def _used(window: Mapping[bytes, bytes], now: float) -> dict[str, int]:
    """Sums over what has not left the window."""
    slot = int(now * SLOTS_PER_S)
    used = dict.fromkeys(DIMENSIONS, 0.0)
    for field, amount in window.items():
        leaves, dimension = field.decode().split(":")
        if int(leaves) > slot:
            used[dimension] += float(amount)
    return {dimension: round(amount) for dimension, amount in used.items()}


def _ceiling(state: Mapping[str, float], tiers: Sequence[str], now: float) -> float | None:
    """Of all tiers together; none where one has none."""
    if not tiers or any(f"c{tier}" not in state for tier in tiers):
        return None
    return sum(
        state[f"a{tier}"] + state[f"g{tier}"] * max(0.0, now - state[f"c{tier}"]) for tier in tiers
    )
