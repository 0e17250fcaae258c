"""A worker that takes no messages although some wait is noticed."""

from __future__ import annotations

import threading

from support.waiting import wait_until

from ruie.settings import load
from ruie.worker.app import create_app
from ruie.worker.messages import BATCH_TASK, QUEUE
from ruie.worker.watchdog import watch


def test_messages_that_are_not_taken_are_noticed(url: str) -> None:
    app = create_app(load(redis_url=url))
    noticed = threading.Event()
    arguments = (app, noticed.set, 0.6, 0.1)
    threading.Thread(target=watch, args=arguments, daemon=True).start()

    assert not noticed.wait(1.0), "an empty queue is not silence"
    app.send_task(BATCH_TASK, args=["b", 0], queue=QUEUE, priority=6, ignore_result=True)
    wait_until(noticed.is_set)


def test_a_queue_that_moves_is_left_alone(url: str) -> None:
    """For twice as long as a queue that stands still would be watched."""
    app = create_app(load(redis_url=url))
    noticed = threading.Event()
    arguments = (app, noticed.set, 2.0, 0.1)
    threading.Thread(target=watch, args=arguments, daemon=True).start()
    for _ in range(10):
        app.send_task(BATCH_TASK, args=["b", 0], queue=QUEUE, priority=3, ignore_result=True)
        assert not noticed.wait(0.2)
        with app.connection_for_read() as connection:
            connection.default_channel.queue_purge(QUEUE)
        assert not noticed.wait(0.2)
