"""Writing a batch while the next one is read: one at a time, in order, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

B = TypeVar("B")
T = TypeVar("T")


def write_behind(
    batches: Iterable[B],
    write: Callable[[B, threading.Event], T],
    written: Callable[[B, T], object],
) -> None:
    """Read the batches, and have each written, in a thread, once the one before it is; call
    `written` with what came of it. Raises what any of them raises.

    Nothing is under way any more when it returns or raises. The event is set when that is waited
    for: a write that has not begun, or would begin again, is then to raise instead.
    """
    stop = threading.Event()
    under_way: _Write[B, T] | None = None
    try:
        for batch in batches:
            if under_way is not None:
                written(under_way.batch, under_way.result())
            under_way = _Write(batch, write, stop)
        if under_way is not None:
            written(under_way.batch, under_way.result())
    finally:
        stop.set()
        if under_way is not None:
            under_way.join()


class _Write(threading.Thread, Generic[B, T]):
    """Begins at once."""

    def __init__(
        self, batch: B, write: Callable[[B, threading.Event], T], stop: threading.Event
    ) -> None:
        super().__init__(name="ruie-write", daemon=True)
        self.batch = batch
        self._write = write
        self._stop_event = stop
        self._result: list[T] = []
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result.append(self._write(self.batch, self._stop_event))
        except BaseException as error:
            self._error = error

    def result(self) -> T:
        """Wait for its end. Raises what it raised."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._result[0]
