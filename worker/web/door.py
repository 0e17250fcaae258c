"""What the pages ask and change, through one object: settings, database, Redis."""

from __future__ import annotations

from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

from redis import Redis
from sqlalchemy import Engine

from ruie.db.throughput import SettledMinutes
from ruie.settings import Settings
from ruie.worker.client import Client
from ruie.worker.web.kept import Kept
from ruie.worker.web.long_tasks import LongTasks

if TYPE_CHECKING:
    from ruie.bundle import Bundle

REDIS_S = 3.0
"""Time-out of Redis: a page shows what is known without it sooner than a person would wait."""


class Door:
    """The settings of this process, and a client of the database that they name."""

    def __init__(self, config: Settings, client: Client, prefix: str = "") -> None:
        self.config, self.client, self.prefix = config, client, prefix
        self.kept = Kept()
        self.settled = SettledMinutes()
        self.tasks = LongTasks()
        self._bundle: Bundle | None = None
        self._opening = Lock()

    @property
    def engine(self) -> Engine:
        """The database, which may be written."""
        return self.client.engine

    @cached_property
    def redis(self) -> Redis | None:
        """Redis, if one is configured; whether it answers shows when it is asked."""
        if not self.config.redis_url:
            return None
        return Redis.from_url(
            self.config.redis_url, socket_timeout=REDIS_S, socket_connect_timeout=REDIS_S
        )

    def bundle(self) -> Bundle:
        """The bundle of the settings, opened when it is first asked for, and again where it was
        replaced. Raises `BundleError`."""
        from ruie.bundle import Bundle  # it loads the bundle's libraries

        with self._opening:
            if self._bundle is None or self._bundle.digest != self.client.bundle().digest:
                self._bundle = Bundle.open(self.config.bundle, threads=1)
            return self._bundle
