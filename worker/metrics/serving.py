"""Metrics beside a coordinator, for as long as it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, ProcessCollector
from redis import Redis
from sqlalchemy import Engine

from ruie.settings import Settings
from ruie.worker.limits import Limits
from ruie.worker.metrics.collector import CoordinatorCollector, Reports
from ruie.worker.metrics.server import MetricsServer

REDIS_S = 2.0
STILL_S = 60.0
"""A coordinator whose last round is older stands still: `/health` says so."""


@contextmanager
def metrics_of(coordinator: Reports, engine: Engine, config: Settings) -> Iterator[int | None]:
    """Serve the coordinator's metrics at RUIE_METRICS_PORT; gives the port, or None where it is 0.
    Raises SettingsError where it cannot be used."""
    if not config.metrics_port:
        yield None
        return
    with serve_metrics(coordinator, engine, config, config.metrics_port) as port:
        yield port


@contextmanager
def serve_metrics(
    coordinator: Reports, engine: Engine, config: Settings, port: int
) -> Iterator[int]:
    """Likewise at this port; 0: a free one."""
    redis = Redis.from_url(config.redis_url, socket_timeout=REDIS_S, socket_connect_timeout=REDIS_S)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    collector = CoordinatorCollector(coordinator, engine, redis, config, Limits.of(config))
    registry.register(collector)
    server = MetricsServer(
        registry, config.metrics_address, port, lambda: coordinator.round_age_s < STILL_S
    )
    with redis, server:
        collector.counter.start()
        try:
            yield server.port
        finally:
            collector.counter.stop()
