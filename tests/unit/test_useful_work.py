"""How many worker processes could be fed: never more than items and limits allow, and none while
work has to wait."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.db.fleet import Ready, RecentCalls
from ruie.worker.limits.types import WINDOW_S
from ruie.worker.limits.usage import LimitUsage
from ruie.worker.useful_work import LONG_PAUSE_S, useful_processes

SMALL = Ready("small", 1000)


def usage(model: str = "small", **changes: Any) -> LimitUsage:
    values: dict[str, Any] = {
        "per_minute": {}, "used": {}, "most_in_flight": 0, "in_flight": 0, "pause_s": 0.0,
        "ceiling_per_s": None, "admitted": 0, "waited_s": 0.0,
    }  # fmt: skip  # what no limit has
    return LimitUsage("http://llm/v1", model, **{**values, **changes})


def recent(latency_s: float = 2.0, model: str = "small") -> RecentCalls:
    return RecentCalls("http://llm/v1", model, 100, latency_s, 800.0, 200.0)


@pytest.mark.parametrize(
    ("ready", "limits", "calls", "processes"),
    [
        ([], [], [], 0),
        ([Ready("small", 1)], [], [], 1),
        ([SMALL], [], [recent()], 63),  # 1000 items, 16 calls in each
        ([SMALL], [usage(most_in_flight=40)], [recent()], 3),
        # 610 requests in 61 s, of two seconds each: 20 calls are in flight
        ([SMALL], [usage(per_minute={"r": 610})], [recent()], 2),
        # 6,100 tokens in 61 s are 0.1 calls a second: one call keeps it busy
        ([SMALL], [usage(per_minute={"t": 6100})], [recent()], 1),
        ([SMALL], [usage(per_minute={"i": 61 * 800 * 24})], [recent()], 3),  # 48 calls
        ([SMALL], [usage(per_minute={"o": 61 * 200 * 24})], [recent()], 3),
        ([SMALL], [usage(ceiling_per_s=10.0)], [recent()], 2),
        # a limit, and nothing is known of how long a call takes: one finds out
        ([SMALL], [usage(per_minute={"r": 6000})], [], 1),
        ([SMALL], [usage(pause_s=LONG_PAUSE_S + 1)], [recent()], 0),
        ([SMALL], [usage(pause_s=LONG_PAUSE_S - 1)], [recent()], 63),
        # each model has limits of its own
        ([SMALL, Ready("large", 64)], [usage(most_in_flight=16), usage("large")], [], 5),
        # requests in batches are built, and their answers read, whatever the limits are
        ([Ready("small", 64, batched=True)], [usage(per_minute={"r": 1})], [recent()], 4),
        ([Ready("small", 64, batched=True)], [usage(pause_s=LONG_PAUSE_S + 1)], [recent()], 4),
        # a job that names no model gets the endpoint's first
        ([Ready("", 1000)], [usage(most_in_flight=40)], [recent()], 3),
    ],
)
def test_items_and_limits_decide(
    ready: list[Ready], limits: list[LimitUsage], calls: list[RecentCalls], processes: int
) -> None:
    assert useful_processes(ready, limits, calls, calls_per_process=16, away=False) == processes


def test_an_endpoint_that_is_away_needs_nobody_and_one_that_is_tried_needs_one() -> None:
    assert useful_processes([SMALL], [], [], calls_per_process=16, away=True) == 0
    assert useful_processes([SMALL], [], [], calls_per_process=16, away=True, trying=True) == 1
    assert useful_processes([], [], [], calls_per_process=16, away=True, trying=True) == 0


@given(
    items=st.integers(0, 5000),
    most=st.integers(0, 500),
    per_minute=st.integers(1, 100_000),
    latency_s=st.floats(0.001, 300),
    per_process=st.integers(1, 64),
)
def test_it_is_never_more_than_any_of_them_can_feed(
    items: int, most: int, per_minute: int, latency_s: float, per_process: int
) -> None:
    limits = [usage(per_minute={"r": per_minute}, most_in_flight=most)]
    got = useful_processes(
        [Ready("small", items)],
        limits,
        [recent(latency_s)],
        calls_per_process=per_process,
        away=False,
    )
    assert got <= math.ceil(items / per_process)
    assert got <= max(1, math.ceil(max(1.0, per_minute / WINDOW_S * latency_s) / per_process))
    assert not most or got <= math.ceil(most / per_process)
    assert (got > 0) == (items > 0)
