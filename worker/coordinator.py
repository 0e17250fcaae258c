"""The coordinator: fills the window, takes back what was lost, closes what is done.

Safe to run twice: one leads, and everything it does is in transactions that check, under its
fencing token, that it still leads. Redis may lose everything at any moment: a marker in it tells
that it did, and what was sent is sent again.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass

from celery import Celery
from kombu.exceptions import OperationalError as BrokerError
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ruie.db import leadership, queue, search_index, spend
from ruie.db.engine import reading
from ruie.db.jobs import Priority
from ruie.db.outage import OUTAGE_ERRORS, error_text
from ruie.settings import Settings
from ruie.worker.app import BATCH_TASK, MESSAGE_PRIORITY, QUEUE
from ruie.worker.limits import MARKER
from ruie.worker.limits.restore import WINDOW_S, recent_calls, restore
from ruie.worker.schedules import Runner, fire

log = logging.getLogger("ruie.coordinator")

LEADER_LEASE_S = 6.0
MAX_LOSSES = 5
"""Workers that an item may lose before it is quarantined. From its second loss on it is alone in
its process (ruie.db.queue.ALONE_FROM), so that the last three have no other cause but by chance."""
BUSY_S = 0.1
IDLE_S = 0.5
INDEX_EVERY_S = 0.5
INDEX_S = 0.1
"""Seconds that full-text search's index gets, and how often: a fifth of the time at most, so that
neither the other duties nor, on SQLite, other writers wait long for it."""
INDEX_DOCUMENTS = 200
"""Documents of one of its transactions."""
INDEX_AGAIN_S = 60.0
"""Until it is tried again where the database refuses it."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What one round did."""

    leading: bool
    returned: int = 0
    quarantined: int = 0
    sent: int = 0
    closed: int = 0

    @property
    def busy(self) -> bool:
        return bool(self.returned or self.sent or self.closed)


class Coordinator:
    """One coordinator process; `run` returns when `stop` is set."""

    def __init__(self, engine: Engine, app: Celery, redis: Redis, config: Settings) -> None:
        self._engine = engine
        self._app = app
        self._redis = redis
        self._config = config
        self._name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
        self._token: int | None = None
        self._day_cap_nusd = spend.to_nusd(config.spend_per_day_usd or None)
        self._round_at = time.monotonic()
        self._reap_from = 0.0
        self._reaped = True
        self._index_from = 0.0
        self._runner = Runner(config, self._name)
        self.stop = threading.Event()

    def run(self) -> None:
        """Round after round; a database or Redis that is away is waited for."""
        log.info("coordinator %s is ready", self._name)
        while not self.stop.is_set():
            started = time.monotonic()
            try:
                tick = self.tick()
                pause = BUSY_S if tick.busy else IDLE_S
            except leadership.NotLeadingError:
                log.warning("another coordinator leads now")
                self._token = None
                pause = IDLE_S
            except OUTAGE_ERRORS as error:
                log.warning("the database is unavailable (%s), trying again", error_text(error))
                self._delay_reaping()
                pause = 1.0
            except (RedisError, BrokerError, OSError) as error:
                log.warning("Redis is away (%s), trying again", error)
                pause = 1.0
            self.stop.wait(max(0.0, pause - (time.monotonic() - started)))
        self._runner.stop()
        self._resign()

    def tick(self) -> Tick:
        """One round: lead, take back, fill the window, close, fire schedules, index."""
        self._begin_round()
        with self._engine.begin() as conn:
            was = self._token
            self._token = leadership.lead(conn, self._name, LEADER_LEASE_S)
        if self._token is None:
            if was is not None:
                log.warning("another coordinator leads now")
            return Tick(leading=False)
        if was is None:
            log.info("leading, token %d", self._token)
        if self._redis_lost_everything():
            with self._leading() as conn:
                forgotten = queue.undispatch(conn)
            if forgotten:
                log.warning("Redis lost its messages, %d items are sent again", forgotten)
            own = (self._config.llm_base_url, self._config.llm_model)
            with reading(self._engine) as conn:
                restore(self._redis, recent_calls(conn, WINDOW_S, own), self._name)
        returned = quarantined = 0
        if time.monotonic() >= self._reap_from:
            with self._leading() as conn:
                returned, quarantined = queue.reap(conn, MAX_LOSSES)
            self._reaped = True
        if returned or quarantined:
            log.warning("lost leases: %d returned, %d quarantined", returned, quarantined)
        sent = self._fill()
        with self._leading() as conn:
            resumed = spend.resume_within_caps(conn, self._day_cap_nusd)
            closed = queue.close_jobs(conn)
        for job_id in resumed:
            log.info("job %s goes on: the day's cap has room", job_id)
        for job_id in closed:
            log.info("job %s is done", job_id)
        self._schedules()
        self._index()
        return Tick(True, returned, quarantined, sent, len(closed))

    def _begin_round(self) -> None:
        """Whatever held this process up since its last round, a machine with too little CPU or one
        that was suspended, may have kept the workers from renewing their leases as well."""
        now = time.monotonic()
        held_up = now - self._round_at > self._config.lease_s / 2
        self._round_at = now
        if held_up and self._reaped:  # where every round is slow, every second one reaps
            self._delay_reaping()

    def _delay_reaping(self) -> None:
        """Leases may have run out only because nobody could renew them: give workers the time."""
        self._reap_from = time.monotonic() + self._config.lease_s
        self._reaped = False

    def _fill(self) -> int:
        """Send batches until the window is full, which each class of jobs has for itself: a
        backfill never stands in a live job's way. First SQL, then Redis: a message that is lost
        between the two is sent again when its time is up."""
        config = self._config
        batches: list[queue.Batch] = []
        with self._leading() as conn:
            flying = queue.in_flight(conn)
            for priority in queue.classes(conn):
                room = config.window - flying.get(priority, 0)
                if room > 0:
                    batches += queue.dispatch(
                        conn, None, room, config.batch_size, config.dispatch_s, priority=priority
                    )
        for batch in batches:
            self._app.send_task(
                BATCH_TASK,
                args=[batch.id, batch.priority],
                queue=QUEUE,
                priority=MESSAGE_PRIORITY[Priority(batch.priority)],
                ignore_result=True,
            )
        return len(batches)

    def _schedules(self) -> None:
        """Fire what is due, and begin runs: their reading is done in threads, not in this round."""
        with self._leading() as conn:
            fired = fire(conn)
            claimed = self._runner.claim(conn)
        for name in fired:
            log.info("schedule %s is due", name)
        self._runner.start(claimed)

    def _index(self) -> None:
        """Bring full-text search forward. Nothing else waits for it, and it stops no other duty."""
        now = time.monotonic()
        if now < self._index_from:
            return
        self._index_from = now + INDEX_EVERY_S
        try:
            search_index.index_for(self._engine, INDEX_S, INDEX_DOCUMENTS)
        except OUTAGE_ERRORS:
            raise
        except DBAPIError as error:
            log.warning("documents cannot be indexed for search: %s", error_text(error))
            self._index_from = now + INDEX_AGAIN_S

    def _redis_lost_everything(self) -> bool:
        return not self._redis.exists(MARKER)

    def _leading(self) -> _Leading:
        assert self._token is not None
        return _Leading(self._engine, self._name, self._token)

    def _resign(self) -> None:
        """Let another coordinator lead at once."""
        if self._token is None:
            return
        try:
            with self._engine.begin() as conn:
                leadership.resign(conn, self._name, self._token)
        except OUTAGE_ERRORS as error:
            log.warning("could not resign (%s); the lease runs out by itself", error_text(error))


class _Leading:
    """A transaction that begins by checking, and locking, that this coordinator leads."""

    def __init__(self, engine: Engine, name: str, token: int) -> None:
        self._begin = engine.begin()
        self._name = name
        self._token = token

    def __enter__(self) -> Connection:
        conn = self._begin.__enter__()
        try:
            leadership.check(conn, self._name, self._token)
        except BaseException as error:
            self._begin.__exit__(type(error), error, error.__traceback__)
            raise
        return conn

    def __exit__(self, *raised: object) -> None:
        self._begin.__exit__(*raised)  # type: ignore[arg-type]  # passed through as they came
