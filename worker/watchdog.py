"""A worker that takes no messages although some wait ends, so that it is started anew.

A connection to Redis can die in ways that leave a consumer waiting for ever in a process that
answers every ping. So progress is what counts: messages wait, this worker is idle, and it has
taken none for a while.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable

from celery import Celery
from celery.signals import task_received, worker_ready
from celery.worker import state
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ruie.worker.messages import QUEUE

log = logging.getLogger("ruie.watchdog")

SILENT_S = 60.0
LOOK_S = 10.0

_taken = time.monotonic()


def prepare(app: Celery) -> None:
    """In the main process, before it starts: watch from the moment it is ready."""

    def started(**_: object) -> None:
        threading.Thread(target=watch, args=(app, end), name="ruie-watchdog", daemon=True).start()

    worker_ready.connect(started, weak=False)
    task_received.connect(_received)


def watch(
    app: Celery,
    on_silence: Callable[[], None],
    silent_s: float = SILENT_S,
    look_s: float = LOOK_S,
    stop: threading.Event | None = None,
) -> None:
    """Check every `look_s` seconds; call `on_silence`, and return, once messages have waited for
    `silent_s` seconds while this worker took none and was idle. Return when `stop` is set."""
    stop = stop or threading.Event()
    waiting_since: float | None = None
    while not stop.wait(look_s):
        try:
            with app.connection_for_read() as connection:
                waiting = connection.default_channel.queue_declare(QUEUE).message_count > 0
        except (OperationalError, RedisError, OSError):
            waiting = False  # Redis is away: no worker can take anything
        if not waiting or state.active_requests or state.reserved_requests:
            waiting_since = None
            continue
        waiting_since = waiting_since or time.monotonic()
        if time.monotonic() - max(waiting_since, _taken) >= silent_s:
            log.critical("messages wait and none was taken for %.0f s: ending", silent_s)
            on_silence()
            return


def end() -> None:
    """Stop as after SIGTERM; the supervisor of the workers starts a new one."""
    os.kill(os.getpid(), signal.SIGTERM)


def _received(**_: object) -> None:
    global _taken
    _taken = time.monotonic()
