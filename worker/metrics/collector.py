"""One scrape: this process always, the fleet where this process leads at that moment.

All that is read from SQL is of one moment, in which the database too says that this process leads:
so of several coordinators one alone reports the fleet, whatever they believe.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Protocol

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from ruie import __version__
from ruie.db import fleet
from ruie.db.engine import reading
from ruie.db.outage import error_text
from ruie.settings import Settings
from ruie.worker.limits.types import Limits
from ruie.worker.limits.usage import LimitUsage, read_usage
from ruie.worker.metrics.families import Families
from ruie.worker.metrics.fleet_samples import FleetReading, add_fleet, read_fleet
from ruie.worker.metrics.item_counter import ItemCounter
from ruie.worker.metrics.job_samples import add_counts, add_jobs
from ruie.worker.metrics.limit_samples import add_limits
from ruie.worker.metrics.total_samples import add_totals
from ruie.worker.useful_work import targets

log = logging.getLogger("ruie.metrics")

TURN_S = 5.0
"""Seconds that a scrape waits for the one before, and then goes without the fleet."""


class Reports(Protocol):
    """What a coordinator says of itself."""

    @property
    def lead(self) -> tuple[str, int] | None:
        """Its name and fencing token; None where it does not lead, as far as it knows."""

    @property
    def round_age_s(self) -> float:
        """Seconds since it began its last round of duties."""

    @property
    def rounds(self) -> int:
        """Rounds that it has ended while it led."""

    @property
    def rounds_s(self) -> float:
        """Seconds that these took."""


class CoordinatorCollector(Collector):
    """redis: a client of its own, with short time-outs. limits: as configured."""

    def __init__(
        self, coordinator: Reports, engine: Engine, redis: Redis, config: Settings, limits: Limits
    ) -> None:
        self._coordinator = coordinator
        self._engine = engine
        self._redis = redis
        self._config = config
        self._limits = limits
        self._turn = threading.Lock()
        self.counter = ItemCounter(engine, lambda: coordinator.lead is not None)

    def collect(self) -> Iterator[Family]:
        """The samples of one scrape. It raises nothing: what cannot be read is left out."""
        families = Families()
        families.add("ruie_build_info", 1, version=__version__)
        families.add(
            "ruie_coordinator_last_round_timestamp_seconds",
            time.time() - self._coordinator.round_age_s,
        )
        families.add("ruie_coordinator_rounds_total", self._coordinator.rounds)
        families.add("ruie_coordinator_round_seconds_total", self._coordinator.rounds_s)
        if self._turn.acquire(timeout=TURN_S):
            try:
                answered, found = self._read()
                families.add("ruie_database_up", int(answered))
                families.add("ruie_coordinator_leads", int(found is not None))
                if found is not None:
                    self._add(families, found)
            finally:
                self._turn.release()
        yield from families

    def _read(self) -> tuple[bool, FleetReading | None]:
        """Whether the database answered, and what it said where this process leads."""
        lead = self._coordinator.lead
        try:
            with reading(self._engine) as conn:
                fleet.repeatable(conn)
                if lead is None or (now := fleet.leads(conn, *lead)) is None:
                    return True, None
                return True, read_fleet(conn, self._config.window, now)
        except (DBAPIError, NoConnectionError) as error:
            log.warning("metrics cannot be read from the database: %s", error_text(error))
            return False, None

    def _add(self, families: Families, found: FleetReading) -> None:
        usage = self._usage(found)
        families.add("ruie_redis_up", int(usage is not None))
        add_totals(families, found)
        add_jobs(families, found, self._config.spend_per_day_usd)
        if (counted := self.counter.latest) is not None:
            age_s = time.monotonic() - counted.at
            add_counts(families, counted.counts, age_s, {job.id for job in found.jobs})
        add_fleet(families, found, usage or [], self._config)
        add_limits(families, usage or [])

    def _usage(self, found: FleetReading) -> list[LimitUsage] | None:
        """None: Redis did not answer."""
        config = self._config
        called = targets(found.jobs, found.recent, config)
        try:
            return read_usage(self._redis, called, self._limits)
        except (RedisError, OSError) as error:
            log.warning("metrics cannot be read from Redis: %s", error)
            return None
