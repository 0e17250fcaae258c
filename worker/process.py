"""What one worker process holds: its event loop, its database connection, its extractors.

Made in the process that uses it, on its first task (see worker/tasks.py), and never carried
across a fork. The event loop runs in a thread of its own from task to task: Celery gives a
process its next batch while the last answers of the one before are still awaited, so that its
calls in flight never run dry.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from concurrent.futures import Future, wait

from redis.asyncio import Redis

from db.engine import open_engine
from db.jobs import Job
from ruie.bundle import Bundle
from ruie.extractor import Decoding, Extractor
from ruie.llm import LLMClient
from ruie.settings import Settings, settings
from worker import stopping
from worker.batch import BATCH_SECONDS, BatchRunner, Outcome
from worker.limits import FleetLimiter, Limits
from worker.retries import RetryPolicy
from worker.store import Store

log = logging.getLogger("ruie.worker")


class Process:
    """One process's state, opened once and used for batch after batch on one event loop."""

    def __init__(self, config: Settings) -> None:
        self.pid = os.getpid()
        self._config = config
        self._bundle = Bundle.open(config.bundle, threads=config.encoder_threads)
        self._llm = LLMClient(
            config.llm_base_url,
            config.llm_api_key.get_secret_value(),
            timeout_s=config.llm_timeout_s,
            max_in_flight=config.llm_max_in_flight,
            hook=limiter(config),
        )
        self._default_model = config.llm_model
        self._extractors: dict[str, Extractor] = {}
        self._runner = BatchRunner(
            Store(open_engine(config.database_url)),
            self._extractor,
            owner=f"{socket.gethostname()}:{self.pid}",
            max_in_flight=config.llm_max_in_flight,
            lease_s=config.lease_s,
            grace_s=config.stop_grace_s,
            policy=RetryPolicy(max_attempts=config.max_attempts),
        )
        self._batches: set[Future[Outcome]] = set()
        self._loop = asyncio.new_event_loop()
        self._loop.call_soon(stopping.on_stop, self._loop, self._runner.stop)
        threading.Thread(target=self._loop.run_forever, name="ruie-batches", daemon=True).start()

    def run(self, batch_id: str) -> None:
        """Work off one batch; returns as soon as there is room for another. Raises what went
        wrong until then."""
        handed_over = threading.Event()
        batch = asyncio.run_coroutine_threadsafe(self._run(batch_id, handed_over), self._loop)
        self._batches.add(batch)
        batch.add_done_callback(self._batches.discard)
        batch.add_done_callback(lambda _: handed_over.set())
        handed_over.wait()
        if batch.done():
            batch.result()
        else:
            batch.add_done_callback(_log_failure)

    def close(self) -> None:
        """Wait for the batches whose last answers are awaited; called when the process ends."""
        wait(list(self._batches), BATCH_SECONDS + self._config.stop_grace_s)

    async def _run(self, batch_id: str, handed_over: threading.Event) -> Outcome:
        if not self._default_model:
            self._default_model = (await self._llm.check(""))[0]
        outcome = await self._runner.run(batch_id, handed_over.set)
        log.info("batch %s: %s", batch_id, outcome)
        return outcome

    def _extractor(self, job: Job) -> Extractor:
        """The extractor for a job: its model and decoding, this process's bundle and endpoint."""
        if job.id not in self._extractors:
            if len(self._extractors) > 100:
                self._extractors.clear()
            self._extractors[job.id] = Extractor(
                self._bundle,
                self._llm,
                job.model or self._default_model,
                Decoding.from_body(job.settings),
            )
        return self._extractors[job.id]


def limiter(config: Settings) -> FleetLimiter:
    """The fleet's limits, on the Redis that carries the messages."""
    redis = Redis.from_url(
        config.redis_url, socket_timeout=10, socket_connect_timeout=5, health_check_interval=15
    )
    limits = Limits(config.llm_requests_per_minute, config.llm_tokens_per_minute)
    return FleetLimiter(redis, config.llm_base_url, limits)


def _log_failure(batch: Future[Outcome]) -> None:
    if error := batch.exception():
        log.error("a batch failed: %s", error, exc_info=error)


_process: Process | None = None


def process() -> Process:
    """This process's state; a child never uses its parent's."""
    global _process
    if _process is None or _process.pid != os.getpid():
        _process = Process(settings())
    return _process


def close() -> None:
    """End what this process holds, if it holds anything."""
    if _process is not None and _process.pid == os.getpid():
        _process.close()
