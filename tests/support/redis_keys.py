"""Redis keys may not pile up: each expires, but for a fixed few."""

from __future__ import annotations

from typing import Any

import redis

from ruie.worker.limits import MARKER
from ruie.worker.messages import QUEUE

FIXED = (MARKER, f"ruie:{QUEUE}", "ruie:_kombu.")
"""Beginnings of keys that stay: the marker, the messages, and what kombu keeps about its queues."""


def assert_keys_expire(url: str) -> None:
    """Fails where a key would stay for ever, however many calls, models and days there are."""
    with redis.Redis.from_url(url) as server:
        keys: Any = server.keys()  # annotated as what an asynchronous client returns, too
        stay = [key.decode() for key in keys if server.ttl(key) == -1]
    assert [key for key in stay if not key.startswith(FIXED)] == []
