"""How many worker processes could be fed now: the one figure to scale workers by.

Nothing that has to wait feeds a worker: neither items of paused jobs, nor any while the endpoint is
away or has asked for a long pause. A limit of the rate feeds as many calls in flight as Little's
law says: its rate times the time that a call takes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from ruie.db.fleet import Ready, RecentCalls
from ruie.worker.limits.types import WINDOW_S
from ruie.worker.limits.usage import LimitUsage

LONG_PAUSE_S = 60.0
"""A shorter pause is over before workers that were stopped could be back."""


def useful_processes(
    ready: Iterable[Ready],
    usage: Collection[LimitUsage],
    recent: Collection[RecentCalls],
    *,
    calls_per_process: int,
    away: bool,
    trying: bool = False,
) -> int:
    """away: no call reaches the endpoint; trying: single calls are made, to see whether one does.
    calls_per_process: that one process has in flight."""
    if away and not trying:
        return 0
    calls = sum(_calls(each, usage, recent) for each in ready)
    processes = math.ceil(calls / calls_per_process)
    return min(processes, 1) if away else processes


def _calls(ready: Ready, usage: Collection[LimitUsage], recent: Collection[RecentCalls]) -> float:
    """Calls to this model that could be in flight."""
    limited = [each for each in usage if each.model == ready.model]
    if not limited:  # not called lately, or by the name that the endpoint gives it
        limited = [] if ready.model else list(usage)
    if not limited:
        return float(ready.items)
    return min(float(ready.items), sum(_most(each, ready, recent) for each in limited))


def _most(usage: LimitUsage, ready: Ready, recent: Collection[RecentCalls]) -> float:
    """Calls that the limits of one endpoint and model let be in flight."""
    if usage.pause_s > LONG_PAUSE_S:
        return 0.0
    most = float(usage.most_in_flight or ready.items)
    target = (usage.endpoint, usage.model)
    calls = next((each for each in recent if (each.endpoint, each.model) == target), None)
    rates = _rates(usage, calls)
    if not rates:
        return most
    if calls is None:  # how long they take is not known: one shows it
        return min(most, 1.0)
    return min(most, max(1.0, min(rates) * calls.latency_s))


def _rates(usage: LimitUsage, calls: RecentCalls | None) -> list[float]:
    """Calls a second, of each limit."""
    rates = [] if usage.ceiling_per_s is None else [usage.ceiling_per_s]
    means = {"r": 1.0}
    if calls is not None:
        means |= {
            "i": calls.input_tokens,
            "o": calls.output_tokens,
            "t": calls.input_tokens + calls.output_tokens,
        }
    for dimension, limit in usage.per_minute.items():
        mean = means.get(dimension, 1.0)
        if mean > 0:
            rates.append(limit / WINDOW_S / mean)
    return rates
