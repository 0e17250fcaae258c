"""What takes longer than a page waits: done in a thread, with its progress for whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

MOST = 100
"""Tasks that are remembered after their end."""


@dataclass
class LongTask:
    """of: how much there is to do; 0: not known. done: how much of it is. note: what else is to be
    said on the way."""

    of: int
    done: int = 0
    note: str = ""
    outcome: Future[Any] = field(default_factory=Future)

    def ended(self, wait_s: float | None) -> bool:
        """Whether it ends within so many seconds; None: wait until it does."""
        try:
            self.outcome.exception(wait_s)
        except TimeoutError:
            return False
        return True


class LongTasks:
    """The tasks of this process, by a key: one of each at a time. A thread ends with the process,
    so what a task does must be safe to be cut off."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, LongTask] = {}
        self._lock = threading.Lock()

    def begin(self, key: Hashable, of: int, make: Callable[[LongTask], object]) -> LongTask:
        """Begin it, unless it goes on already or its outcome is not forgotten yet."""
        with self._lock:
            known = self._tasks.get(key)
            if known is not None:
                return known
            for old in [k for k, task in self._tasks.items() if task.outcome.done()][:-MOST]:
                del self._tasks[old]
            task = self._tasks[key] = LongTask(of)
        threading.Thread(target=_run, args=(task, make), name="ruie-task", daemon=True).start()
        return task

    def get(self, key: Hashable) -> LongTask | None:
        """The one that goes on, or whose outcome is not forgotten yet."""
        return self._tasks.get(key)

    def forget(self, key: Hashable) -> None:
        """The next one with this key begins anew."""
        with self._lock:
            self._tasks.pop(key, None)


def _run(task: LongTask, make: Callable[[LongTask], object]) -> None:
    try:
        task.outcome.set_result(make(task))
    except BaseException as error:
        task.outcome.set_exception(error)
