"""A worker that takes no messages although some wait is noticed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celery import Celery
from support.waiting import wait_until

from ruie.settings import load
from ruie.worker.app import create_app
from ruie.worker.embedded.redis_server import RedisServer
from ruie.worker.messages import BATCH_TASK, QUEUE
from ruie.worker.watchdog import watch


@contextmanager
def watching(app: Celery, silent_s: float) -> Iterator[threading.Event]:
    """What is set when silence is noticed."""
    noticed, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=watch, args=(app, noticed.set, silent_s, 0.1, stop))
    thread.start()
    try:
        yield noticed
    finally:
        stop.set()
        thread.join()


def send(app: Celery) -> None:
    app.send_task(BATCH_TASK, args=["b", 0], queue=QUEUE, priority=6, ignore_result=True)


def test_messages_that_are_not_taken_are_noticed(url: str) -> None:
    app = create_app(load(redis_url=url))
    with watching(app, 0.6) as noticed:
        assert not noticed.wait(1.0), "an empty queue is not silence"
        send(app)
        wait_until(noticed.is_set)


def test_a_queue_that_moves_is_left_alone(url: str) -> None:
    """For twice as long as a queue that stands still would be watched."""
    app = create_app(load(redis_url=url))
    with watching(app, 2.0) as noticed:
        for _ in range(10):
            send(app)
            assert not noticed.wait(0.2)
            with app.connection_for_read() as connection:
                connection.default_channel.queue_purge(QUEUE)
            assert not noticed.wait(0.2)


def test_after_redis_was_away_it_is_watched_again(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    app = create_app(load(redis_url=server.url))
    with watching(app, 0.6) as noticed:
        assert not noticed.wait(0.5)
        server.stop()
        assert not noticed.wait(1.0)
        again = RedisServer(tmp_path, server.socket)
        try:
            send(app)
            wait_until(noticed.is_set)
        finally:
            again.stop()
