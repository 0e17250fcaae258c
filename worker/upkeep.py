"""What the leading coordinator does beside dispatching: it indexes documents for search, counts
what is new into the totals, says how many worker processes could be fed, applies refunds, and
forgets processes that are gone.

Each of these has times of its own, and one that the database refuses delays no other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from redis import Redis
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ruie.db import processes, search_index, spend
from ruie.db.fold import Folding
from ruie.db.outage import error_text, is_away
from ruie.settings import Settings
from ruie.worker.useful_work import advise

log = logging.getLogger("ruie.coordinator")

INDEX_EVERY_S = 0.5
INDEX_S = 0.1
"""Seconds spent on the full-text index, and how often: a fifth of the time at most, so that neither
the other duties nor, on SQLite, other writers wait long for it."""
INDEX_DOCUMENTS = 200  # in one transaction
COUNT_EVERY_S = 2.0
COUNT_S = 0.1
"""Seconds spent on counting what is new into the totals, and how often."""
ADVISE_EVERY_S = 2.0
REFUND_EVERY_S = 10.0
SWEEP_EVERY_S = 60.0
AGAIN_S = 60.0
"""Until the next try of what the database refused."""

Leading = Callable[[], AbstractContextManager[Connection]]
"""A transaction in which this process is known to lead."""


class Chore:
    """Something to be done every few seconds. refused: what to say where the database refuses
    it."""

    def __init__(self, every_s: float, do: Callable[[], object], refused: str) -> None:
        self._every_s = every_s
        self._do = do
        self._refused = refused
        self.due_at = 0.0

    def run(self) -> None:
        """Do it if it is due. Raises what it raises, but where the database refuses it that is
        logged, and tried again after a minute."""
        if (now := time.monotonic()) < self.due_at:
            return
        self.due_at = now + self._every_s
        try:
            self._do()
        except DBAPIError as error:
            if is_away(error):
                raise
            log.warning("%s: %s", self._refused, error_text(error))
            self.due_at = now + AGAIN_S


class Upkeep:
    """The chores of the coordinator that leads, on its connections."""

    def __init__(self, engine: Engine, redis: Redis, config: Settings, leading: Leading) -> None:
        index = partial(search_index.index_for, engine, INDEX_S, INDEX_DOCUMENTS)
        count = partial(Folding(engine).fold_for, leading, COUNT_S)
        say = partial(advise, engine, redis, config, leading)

        def forget() -> None:
            with leading() as conn:
                processes.sweep(conn)

        def refund() -> None:
            with leading() as conn:
                if accounts := spend.accounts_with_refunds(conn):
                    spend.apply_refunds(conn, accounts)

        self._chores = (
            Chore(INDEX_EVERY_S, index, "documents cannot be indexed for search"),
            Chore(COUNT_EVERY_S, count, "nothing can be counted into the totals"),
            Chore(ADVISE_EVERY_S, say, "how many workers could be fed cannot be said"),
            Chore(REFUND_EVERY_S, refund, "refunds cannot be applied to their accounts"),
            Chore(SWEEP_EVERY_S, forget, "processes that are gone cannot be forgotten"),
        )

    def hurry(self) -> None:
        """All of them are due now."""
        for chore in self._chores:
            chore.due_at = 0.0

    def run(self) -> None:
        """What is due of them. Raises `NotLeadingError`, DBAPIError where the database is away, and
        RedisError."""
        for chore in self._chores:
            chore.run()
