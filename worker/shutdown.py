"""How a worker's main process signals to its children that it stops: a pipe that closes. And how a
child signals that the worker must stop.

Celery's warm shutdown only stops taking messages; a child in the middle of a batch would go on to
its end. The main process holds the write end; every child reads, and finds the end of the file.
"""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import signal
from collections.abc import Callable

from celery.signals import worker_process_init, worker_shutting_down

log = logging.getLogger("ruie.worker")

_reading = _writing = -1
_main = 0
_fatal = mmap.mmap(-1, 1)
"""A byte that the main process shares with its children: 1 once one of them cannot go on."""


def prepare() -> None:
    """In the main process, before it starts its children."""
    global _reading, _writing, _main
    _reading, _writing = os.pipe()
    _main = os.getpid()
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


def end_worker(reason: BaseException) -> None:
    """In a child: what holds for all of the worker's processes ends it, as SIGTERM does. Once;
    nothing, where `prepare` was not called."""
    if _fatal[0] or os.getppid() != _main:
        return
    _fatal[0] = 1
    log.critical("this worker ends: %s", reason)
    os.kill(_main, signal.SIGTERM)


def ended_by_child() -> bool:
    """In the main process, after its end: whether a child has ended it."""
    return bool(_fatal[0])
