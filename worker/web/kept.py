"""Answers that are kept for a moment: several people who watch a job cost the database no more than
one, and a page that takes long to count is not counted all the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Value = TypeVar("Value")

LEAST_S = 1.0
TIMES = 10.0
"""An answer is kept for so many times as long as it took."""
MOST = 1000
"""Answers kept."""
AT_ONCE = 4
"""Answers that are made in the background at a time."""


class Kept:
    """now: a clock, seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._values: dict[Hashable, tuple[float, Any]] = {}
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()
        self._version = 0
        self._coming: dict[Hashable, Future[Any]] = {}
        self._workers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="kept")

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The kept answer, or a new one; who asks meanwhile waits for it."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            until, value = self._values.get(key, (0.0, None))
            if until > self._now():
                kept: Value = value
                return kept
            began, version = self._now(), self._version
            made = make()
            ended = self._now()
            self._keep(key, ended + max(LEAST_S, TIMES * (ended - began)), made, version)
            return made

    def soon(self, key: Hashable, make: Callable[[], Value], wait_s: float | None) -> Value | None:
        """The same, if it comes within so many seconds (None: whenever it comes); None if it does
        not: it goes on being made, for who asks later."""
        with self._lock:
            until, kept = self._values.get(key, (0.0, None))
            if until > self._now():
                known: Value = kept
                return known
            coming = self._coming.get(key)
            if coming is None:
                coming = self._coming[key] = self._workers.submit(self.get, key, make)
                coming.add_done_callback(lambda _: self._coming.pop(key, None))
        try:
            value: Value = coming.result(wait_s)
        except TimeoutError:
            return None
        return value

    def forget(self) -> None:
        """Something was changed: ask anew."""
        with self._lock:
            self._values.clear()
            self._coming.clear()
            self._version += 1

    def _keep(self, key: Hashable, until: float, value: Any, version: int) -> None:
        with self._lock:
            if version != self._version:  # it was read before something was changed
                return
            if len(self._values) >= MOST:
                self._values.clear()
                self._making.clear()
            self._values[key] = (until, value)
