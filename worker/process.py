"""What one worker process holds: its event loop, its database connection, its extractors.

Made in the process that uses it, on its first task (see worker/tasks.py), and never carried
across a fork.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from concurrent.futures import ThreadPoolExecutor

from redis.asyncio import Redis

from db.engine import open_engine
from db.jobs import Job
from ruie.bundle import Bundle
from ruie.extractor import Decoding, Extractor
from ruie.llm import LLMClient
from ruie.settings import Settings, settings
from worker.batch import BatchRunner
from worker.limits import FleetLimiter, Limits
from worker.retries import RetryPolicy

log = logging.getLogger("ruie.worker")


class Process:
    """One process's state, opened once and used for batch after batch on one event loop."""

    def __init__(self, config: Settings) -> None:
        self.pid = os.getpid()
        self._config = config
        self._loop = asyncio.Runner()
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
            open_engine(config.database_url),
            self._extractor,
            ThreadPoolExecutor(max_workers=1, thread_name_prefix="ruie-sql"),
            owner=f"{socket.gethostname()}:{self.pid}",
            lease_s=config.lease_s,
            policy=RetryPolicy(max_attempts=config.max_attempts),
        )

    def run(self, batch_id: str) -> None:
        """Work off one batch."""
        self._loop.run(self._run(batch_id))

    async def _run(self, batch_id: str) -> None:
        if not self._default_model:
            self._default_model = (await self._llm.check(""))[0]
        outcome = await self._runner.run(batch_id)
        log.info("batch %s: %s", batch_id, outcome)

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


_process: Process | None = None


def process() -> Process:
    """This process's state; a child never uses its parent's."""
    global _process
    if _process is None or _process.pid != os.getpid():
        _process = Process(settings())
    return _process
