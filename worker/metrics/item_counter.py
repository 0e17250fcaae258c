"""Counting the items of open jobs in the background, as long as this process leads."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ruie.db.engine import reading
from ruie.db.item_counts import ItemCounts, count_items
from ruie.db.outage import error_text

log = logging.getLogger("ruie.metrics")

EVERY_S = 5.0
SHARE = 20
"""Counting takes one part in so many of the time at most: a large job is counted less often."""
LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Counted:
    """at: `time.monotonic()` when the count began."""

    counts: ItemCounts
    at: float


class ItemCounter:
    """A thread that counts. leading: whether this process leads; one that does not counts
    nothing, and forgets what it counted."""

    def __init__(self, engine: Engine, leading: Callable[[], bool]) -> None:
        self._engine = engine
        self._leading = leading
        self._latest: Counted | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ruie-item-counts", daemon=True)

    @property
    def latest(self) -> Counted | None:
        """The last count; None where there is none yet."""
        return self._latest

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End with the count that goes on, if one does, but wait for it only a little."""
        self._stop.set()
        self._thread.join(LOOK_S)

    def count(self) -> None:
        """Count now. Raises DBAPIError."""
        began = time.monotonic()
        with reading(self._engine) as conn:
            self._latest = Counted(count_items(conn), began)

    def _run(self) -> None:
        next_at = 0.0
        while not self._stop.wait(LOOK_S):
            if not self._leading():
                self._latest, next_at = None, 0.0
            elif time.monotonic() >= next_at:
                began = time.monotonic()
                try:
                    self.count()
                except DBAPIError as error:
                    log.warning("items cannot be counted for metrics: %s", error_text(error))
                took = time.monotonic() - began
                next_at = time.monotonic() + max(EVERY_S, SHARE * took)
