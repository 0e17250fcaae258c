"""A coordinator that reports to Prometheus, and jobs for it to report."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis
from sqlalchemy import Engine
from support.job_database import JobDatabase
from support.scraped import Scrape, scrape

from ruie.db import queue
from ruie.errors import OutputError
from ruie.records import Reject, RejectReason, Task
from ruie.settings import Settings, load
from ruie.worker.app import create_app
from ruie.worker.coordinator import Coordinator
from ruie.worker.metrics.serving import serve_metrics

LLM = "http://127.0.0.1:9/v1"


class Running:
    """A coordinator whose rounds the test makes, and its metrics over HTTP."""

    def __init__(self, coordinator: Coordinator, port: int) -> None:
        self.coordinator = coordinator
        self.port = port

    def scrape(self) -> Scrape:
        """After all rows are counted."""
        self.coordinator._upkeep.hurry()  # now, and not every two seconds
        self.coordinator.tick()
        found = scrape(self.port)
        assert found is not None
        return found


@contextmanager
def coordinator(engine: Engine, redis_url: str, **settings: object) -> Iterator[Running]:
    config: Settings = load(
        database_url=engine.url.render_as_string(hide_password=False),
        redis_url=redis_url,
        llm_base_url=LLM,
        **settings,
    )
    with Redis.from_url(redis_url) as redis:
        made = Coordinator(engine, create_app(config), redis, config)
        with serve_metrics(made, engine, config, 0) as port:
            yield Running(made, port)
        made.stop.set()
        made.run()  # resigns


def work(database: JobDatabase, count: int, rng: random.Random, **job: Any) -> str:
    """A job of so many documents, of which half are answered, some fail and the rest wait."""
    made = database.job(**job)
    tag = rng.random()
    database.enqueue(made, [f"text {n} {tag}" for n in range(count)], Task.NER, Task.RE)
    for number, item in enumerate(database.take(made)):
        if number % 4 == 0:
            error = OutputError("unreadable")
            with database.engine.begin() as conn:
                queue.quarantine(conn, item, error)
                queue.record_attempt(conn, item, error, model="small", endpoint=LLM, cost_usd=1e-9)
        elif number % 4 == 1:
            with database.engine.begin() as conn:
                queue.release(conn, [item])
        else:
            database.save(
                item,
                endpoint=LLM,
                latency_s=rng.random() * 10,
                cost_usd=rng.randrange(10**8) / 1e9,
                rejects=[Reject(RejectReason.LEAKED, "x")],
            )
    return made
