"""Between a coordinator's rounds: whether a job waits for the next one."""

from __future__ import annotations

import time

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ruie.db import job_states
from ruie.db.engine import reading

LOOK_S = 0.05
"""How often it is looked: a job that lasts seconds would otherwise wait for a round at its
beginning and at its end."""
SHARE = 20
"""It takes one part in so many of the time at most, however many jobs there are."""


class JobWatch:
    """pause_s: until the next look."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen: object = None
        self.pause_s = LOOK_S

    def waits(self) -> bool:
        """Whether a job was enqueued since the last look, or can be closed. Not where the database
        is away, which the next round notices."""
        began = time.monotonic()
        try:
            with reading(self._engine) as conn:
                waiting = job_states.waiting_jobs(conn)
        except DBAPIError:
            return False
        finally:
            self.pause_s = max(LOOK_S, SHARE * (time.monotonic() - began))
        new = waiting.enqueued_at is not None and waiting.enqueued_at != self._seen
        self._seen = waiting.enqueued_at
        return new or waiting.closable
