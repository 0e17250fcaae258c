"""Answers that are kept for a moment: several people who watch a job cost the database no more than
one, and a page that takes long to count is not counted all the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Value = TypeVar("Value")

LEAST_S = 1.0
TIMES = 10.0
"""An answer is kept for so many times as long as it took."""
MOST = 1000
"""Answers kept."""


class Kept:
    """now: a clock, seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._values: dict[Hashable, tuple[float, Any]] = {}
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The kept answer, or a new one; who asks meanwhile waits for it."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            until, value = self._values.get(key, (0.0, None))
            if until > self._now():
                kept: Value = value
                return kept
            began = self._now()
            made = make()
            ended = self._now()
            self._keep(key, ended + max(LEAST_S, TIMES * (ended - began)), made)
            return made

    def forget(self) -> None:
        """Something was changed: ask anew."""
        with self._lock:
            self._values.clear()

    def _keep(self, key: Hashable, until: float, value: Any) -> None:
        with self._lock:
            if len(self._values) >= MOST:
                self._values.clear()
                self._making.clear()
            self._values[key] = (until, value)
