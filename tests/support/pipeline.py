"""The whole pipeline in this process, on a real database and a real Redis: what the coordinator
sends, a worker's process works off."""

from __future__ import annotations

import time
from collections.abc import Callable

from redis import Redis
from support.waiting import PATIENCE_S

from ruie.settings import Settings
from ruie.worker.app import create_app
from ruie.worker.batches.process import Process
from ruie.worker.client import Client
from ruie.worker.coordinator import Coordinator
from ruie.worker.messages import QUEUE


def work_off(config: Settings, job_id: str, timeout_s: float = PATIENCE_S) -> str:
    """Work until the job runs no more, and return its state."""
    work_until(config, lambda client: client.progress(job_id).state != "running", timeout_s)
    with Client(config) as client:
        return str(client.progress(job_id).state)


def work_until(
    config: Settings, holds: Callable[[Client], bool], timeout_s: float = PATIENCE_S
) -> None:
    """Work until something holds."""
    client, app, process = Client(config), create_app(config), Process(config)
    deadline = time.monotonic() + timeout_s
    try:
        with Redis.from_url(config.redis_url) as redis, app.connection_for_read() as messages:
            coordinator = Coordinator(client.engine, app, redis, config)
            channel = messages.default_channel
            try:
                while not holds(client):
                    assert time.monotonic() < deadline, f"not within {timeout_s} s"
                    coordinator.tick()
                    while message := channel.basic_get(QUEUE, no_ack=True):
                        process.run(*message.payload[0])
                    time.sleep(0.01)
            finally:
                coordinator.close()
    finally:
        process.close()
        app.close()
        client.engine.dispose()
