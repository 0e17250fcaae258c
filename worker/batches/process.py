"""What one worker process holds: its event loop, its database connection, its extractors.

Made in the process that uses it, on its first task (see worker/tasks.py), and never carried
across a fork. The event loop runs in a thread of its own from task to task: a process takes its
next batch from Celery while the last answers of the one before are still awaited, so that its
calls in flight never run dry.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from concurrent.futures import Future, wait
from functools import partial

from redis.asyncio import Redis

from ruie.bundle import Bundle
from ruie.confidence.model import opened
from ruie.db.jobs import Priority
from ruie.db.processes import Doing
from ruie.db.spend import to_nusd
from ruie.errors import DatabaseVersionError
from ruie.llm import CallHook, connect
from ruie.llm.gate import Gate
from ruie.settings import Settings, settings
from ruie.worker import shutdown
from ruie.worker.batches.child import Child, child
from ruie.worker.batches.demonstrations import Demonstrations
from ruie.worker.batches.lanes import Lane
from ruie.worker.batches.ledger import FleetLedger
from ruie.worker.batches.outcome import Outcome
from ruie.worker.batches.retries import RetryPolicy
from ruie.worker.batches.runner import BATCH_SECONDS, BatchRunner
from ruie.worker.limits import FleetLimiter, Limits
from ruie.worker.logs import identify
from ruie.worker.prices import Price, price_of
from ruie.worker.tracing import opening as tracing

log = logging.getLogger("ruie.worker")


class Process:
    """One process's state, opened once and used for batch after batch on one event loop. own: what
    the process has already."""

    def __init__(self, config: Settings, own: Child | None = None) -> None:
        self.pid = os.getpid()
        self._config = config
        self._own = own or Child(config)
        bundle = Bundle.open(config.bundle, threads=config.encoder_threads)
        self._demonstrations = Demonstrations(bundle)
        self._limiter = limiter(config)
        self._tracer = tracing.tracer(config)
        self._lanes: dict[Priority, Lane] = {}
        store = self._own.store
        self._gate = Gate(FleetLedger(store))
        self._runner = BatchRunner(
            store,
            self._lane,
            owner=self._own.name,
            lease_s=config.lease_s,
            grace_s=config.stop_grace_s,
            policy=RetryPolicy(max_attempts=config.max_attempts),
            day_cap_nusd=to_nusd(config.spend_per_day_usd or None),
            tracer=self._tracer,
        )
        self._batches: dict[Future[Outcome], tuple[str, int]] = {}
        self._own.doing = self._doing
        self._loop = asyncio.new_event_loop()
        self._loop.call_soon(shutdown.on_stop, self._loop, self._runner.stop)
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="ruie-batches", daemon=True
        )
        self._thread.start()

    def run(self, batch_id: str, priority: int) -> None:
        """Process one batch; returns as soon as there is room for another. Raises the errors until
        then; later ones are logged."""
        entered = threading.Event()
        running = self._run(batch_id, Priority(priority), entered)
        batch = asyncio.run_coroutine_threadsafe(running, self._loop)
        self._batches[batch] = (batch_id, priority)
        batch.add_done_callback(self._batches.pop)
        batch.add_done_callback(lambda _: entered.set())
        entered.wait()
        if batch.done():
            batch.result()
        else:
            batch.add_done_callback(partial(_log_failure, batch_id))

    def close(self) -> None:
        """Wait for the batches whose last answers are awaited, and close every connection; called
        when the process ends."""
        _, unfinished = wait(list(self._batches), BATCH_SECONDS + self._config.stop_grace_s)
        if unfinished:
            return
        asyncio.run_coroutine_threadsafe(self._disconnect(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._own.close()

    async def _disconnect(self) -> None:
        for lane in self._lanes.values():
            await lane.llm.close()
        await self._limiter.close()

    async def _run(self, batch_id: str, priority: Priority, entered: threading.Event) -> Outcome:
        identify(batch_id=batch_id)
        await asyncio.to_thread(self._price, self._config.llm_model)  # loads the list of prices
        try:
            outcome = await self._runner.run(batch_id, priority, entered.set)
        except DatabaseVersionError as error:
            shutdown.end_worker(error)
            raise
        log.info("batch %s: %s", batch_id, outcome)
        return outcome

    def _doing(self) -> Doing:
        calls = sum(lane.in_flight.taken for lane in list(self._lanes.values()))
        running = list(self._batches.values())
        batch, priority = running[-1] if running else (None, None)
        return Doing(batch, priority, calls)

    def _price(self, model: str) -> Price | None:
        return price_of(model, self._config.llm_prices, self._config.llm_base_url)

    def _lane(self, priority: Priority) -> Lane:
        config = self._config
        if priority not in self._lanes:
            self._lanes[priority] = Lane(
                priority,
                connect(config, hook=self._hook(priority), gate=self._gate),
                self._demonstrations,
                config.llm_model,
                self._price,
                config.llm_parameters,
                config.llm_reasoning_tokens,
                opened(config.calibration),
                config.llm_log_probs,
            )
        return self._lanes[priority]

    def _hook(self, priority: Priority) -> CallHook:
        admission = self._limiter.hook(priority)
        return self._tracer.hook(admission, self._config.llm_endpoint, self._gate.profile)


def limiter(config: Settings) -> FleetLimiter:
    """The fleet's limits, on the Redis that carries the messages."""
    redis = Redis.from_url(
        config.redis_url, socket_timeout=10, socket_connect_timeout=5, health_check_interval=15
    )
    return FleetLimiter(
        redis,
        config.llm_endpoint,
        Limits.of(config),
        call_timeout_s=config.llm_timeout_s,
        guarded=True,
    )


def _log_failure(batch_id: str, batch: Future[Outcome]) -> None:
    if error := batch.exception():
        log.error("a batch failed: %s", error, exc_info=error, extra={"batch_id": batch_id})


_process: Process | None = None


def process() -> Process:
    """This process's state; a child never uses its parent's."""
    global _process
    if _process is None or _process.pid != os.getpid():
        _process = Process(settings(), child())
    return _process


def close() -> None:
    """End what this process holds, if it holds anything."""
    if _process is not None and _process.pid == os.getpid():
        try:
            _process.close()
        finally:
            tracing.close()
