"""Waiting for something to become true, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

POLL_S = 0.01
PATIENCE_S = 240.0
"""What is waited for comes within seconds. A machine that is busy may take many times as long, and
a test says nothing about the machine. A test whose claim is a time gives that time instead."""


def wait_until(predicate: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Return as soon as `predicate()` is true. Fails after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {timeout_s:g} s: {predicate}")
        time.sleep(POLL_S)


async def wait_until_async(predicate: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """`wait_until` for a test that runs on an event loop, which goes on meanwhile."""
    deadline = time.monotonic() + timeout_s
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {timeout_s:g} s: {predicate}")
        await asyncio.sleep(POLL_S)
