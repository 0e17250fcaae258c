"""How a worker's main process signals to its children that it stops: a pipe that closes.

Celery's warm shutdown only stops taking messages; a child in the middle of a batch would go on to
its end. The main process holds the write end; every child reads, and finds the end of the file.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from celery.signals import worker_process_init, worker_shutting_down

_reading = _writing = -1


def prepare() -> None:
    """In the main process, before it starts its children."""
    global _reading, _writing
    _reading, _writing = os.pipe()
    worker_process_init.connect(_close)  # a child keeps no write end
    worker_shutting_down.connect(_close)


def _close(**_: object) -> None:
    global _writing
    if _writing != -1:
        os.close(_writing)
        _writing = -1


def on_stop(loop: asyncio.AbstractEventLoop, then: Callable[[], object]) -> None:
    """Call `then` in the loop once the worker stops; never, where `prepare` was not called."""

    def ended() -> None:
        loop.remove_reader(_reading)
        then()

    if _reading != -1:
        loop.add_reader(_reading, ended)
