"""The coordinator: fills the window, reaps expired leases, closes jobs that are done.

Safe to run twice: one leads, and everything it does is in transactions that check, under its
fencing token, that it still leads. Redis may lose everything at any moment: its marker is then
missing, and what was sent is sent again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from celery import Celery
from kombu.exceptions import OperationalError as BrokerError
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ruie.db import endpoints, job_states, leadership, processes, queue, spend
from ruie.db.engine import reading
from ruie.db.outage import error_text, is_away, refused
from ruie.settings import Settings
from ruie.worker.dispatcher import Dispatcher
from ruie.worker.endpoint_probe import EndpointProbe
from ruie.worker.heartbeat import Heartbeat, process_name
from ruie.worker.job_watch import JobWatch
from ruie.worker.limits import MARKER
from ruie.worker.limits.restore import recent_calls, restore
from ruie.worker.provider_batches import BatchSender
from ruie.worker.schedule_runner import ScheduleRunner, fire
from ruie.worker.upkeep import Upkeep

log = logging.getLogger("ruie.coordinator")

LEADER_LEASE_S = 6.0
MAX_LOSSES = 5
"""Workers that an item may lose before it is quarantined. From its second loss on it is alone in
its process (ruie.db.queue.ALONE_FROM), so that the last three can hardly have another cause."""
BUSY_S = 0.1
IDLE_S = 0.5
AWAY_S = 1.0


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
        self._redis = redis
        self._config = config
        self._name = process_name()
        self._heartbeat = Heartbeat("coordinator", self._name, self._transact)
        self._token: int | None = None
        self._day_cap_nusd = spend.to_nusd(config.spend_per_day_usd or None)
        self._round_at = time.monotonic()
        self.rounds = 0
        self.rounds_s = 0.0
        self._renewed_at = 0.0
        self._redis_lost_at: float | None = None
        self._reap_from = 0.0
        self._reaped = True
        self._dispatcher = Dispatcher(engine, app, redis, config, self._leading)
        self._upkeep = Upkeep(engine, redis, config, self._leading)
        self._runner = ScheduleRunner(config, self._name)
        self._probe = EndpointProbe(engine, config)
        self._jobs = JobWatch(engine)
        self._batches = BatchSender(engine, config)
        self._away = False
        self.stop = threading.Event()

    @property
    def lead(self) -> tuple[str, int] | None:
        """Name and fencing token; None where another leads, as far as this one knows."""
        token = self._token
        return None if token is None else (self._name, token)

    @property
    def round_age_s(self) -> float:
        """Seconds since the last round of duties began."""
        return time.monotonic() - self._round_at

    def run(self) -> None:
        """Round after round; a database or Redis that is away is waited for. Raises `DatabaseError`
        where the database refuses what repeating does not cure, or is of another version by now."""
        log.info("coordinator %s is ready", self._name)
        try:
            while not self.stop.is_set():
                started = time.monotonic()
                pause = self._round()
                self._rest(started + pause, watch=pause < AWAY_S)
        finally:
            self.close()

    def _rest(self, until: float, *, watch: bool) -> None:
        """Until the next round; watch: or until a job waits for it."""
        while (left := until - time.monotonic()) > 0:
            if self.stop.wait(min(self._jobs.pause_s, left) if watch else left):
                return
            if watch and self._token is not None and self._jobs.waits():
                return

    def _round(self) -> float:
        """One round; returns the seconds from its beginning to that of the next."""
        started = time.monotonic()
        try:
            return BUSY_S if self.tick().busy else IDLE_S
        except leadership.NotLeadingError:
            log.warning("another coordinator leads now")
            self._token = None
            return IDLE_S
        except DBAPIError as error:
            if not is_away(error):
                raise refused(error) from error
            log.warning("the database is unavailable (%s), trying again", error_text(error))
            self._delay_reaping()
        except (RedisError, BrokerError, OSError) as error:
            log.warning("Redis is away (%s), trying again", error)
            self._redis_lost_at = self._redis_lost_at or started
        return AWAY_S

    def close(self) -> None:
        """End what goes on beside the rounds, and let another lead."""
        self._batches.stop()
        self._runner.stop()
        self._resign()
        self._heartbeat.leave()

    def tick(self) -> Tick:
        """One round of duties; where another coordinator leads, only the attempt to lead."""
        self._begin_round()
        leading = not self._stands_back() and self._lead()
        self._heartbeat.beat()
        if not leading:
            return Tick(leading=False)
        if not self._redis.exists(MARKER):
            self._restore_redis()
        returned, quarantined = self._reap()
        self._watch_endpoints()
        if self.lead is not None:
            self._batches.lead(self.lead)
        sent = 0 if self._away else self._dispatcher.fill()
        closed = self._resume_and_close()
        self._schedules()
        self._upkeep.run()
        self.rounds += 1
        self.rounds_s += self.round_age_s
        return Tick(True, returned, quarantined, sent, closed)

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

    def _stands_back(self) -> bool:
        """Whether this one leaves the lead to another, because it has not reached Redis for as long
        as a leader's lease: it could send nothing, and the other may."""
        if self._redis_lost_at is None:
            return False
        try:
            self._redis.ping()
        except (RedisError, OSError):
            if time.monotonic() - self._redis_lost_at < LEADER_LEASE_S:
                return False
            with reading(self._engine) as conn:
                if not processes.others_alive(conn, "coordinator", self._name):
                    return False
            if self._token is not None:
                log.warning("another coordinator may lead: Redis cannot be reached from here")
            self._resign()
            return True
        self._redis_lost_at = None
        return False

    def _lead(self) -> bool:
        """Begin to lead, or renew the lease of it. False: another coordinator has it."""
        led = self._token is not None
        requested_at = time.monotonic()
        with self._engine.begin() as conn:
            self._token = leadership.lead(conn, self._name, LEADER_LEASE_S)
        self._renewed_at = requested_at
        if self._token is None and led:
            log.warning("another coordinator leads now")
        if self._token is not None and not led:
            log.info("leading, token %d", self._token)
        return self._token is not None

    @contextmanager
    def _leading(self) -> Iterator[Connection]:
        """A transaction that begins by checking, and locking, that this coordinator leads. A round
        may take longer than the lease, far from the database: then the lease is renewed in it."""
        assert self._token is not None
        began = time.monotonic()
        with self._engine.begin() as conn:
            if began - self._renewed_at > LEADER_LEASE_S / 3:
                leadership.keep(conn, self._name, self._token, LEADER_LEASE_S)
                self._renewed_at = began
            else:
                leadership.check(conn, self._name, self._token)
            yield conn

    def _transact(self, action: Callable[[Connection], object]) -> None:
        with self._engine.begin() as conn:
            action(conn)

    def _restore_redis(self) -> None:
        """Redis came back empty: its messages are sent again, the limits' last minute restored."""
        with self._leading() as conn:
            forgotten = queue.undispatch(conn)
        if forgotten:
            log.warning("Redis lost its messages, %d items are sent again", forgotten)
        own = (self._config.llm_endpoint, self._config.llm_model)
        with reading(self._engine) as conn:
            restore(self._redis, recent_calls(conn, own), self._name)

    def _reap(self) -> tuple[int, int]:
        """Items of lost workers: how many were returned, how many quarantined."""
        if time.monotonic() < self._reap_from:
            return 0, 0
        with self._leading() as conn:
            returned, quarantined = queue.reap(conn, MAX_LOSSES)
        self._reaped = True
        if returned or quarantined:
            log.warning("lost leases: %d returned, %d quarantined", returned, quarantined)
        return returned, quarantined

    def _watch_endpoints(self) -> None:
        """Nothing is sent while no call reaches the endpoint; it is probed until one does."""
        with reading(self._engine) as conn:
            listed = endpoints.list_away(conn)
            due = endpoints.due_probes(conn) if listed else []
        self._probe.start([each for each in listed if each.endpoint in due])
        own = self._config.llm_endpoint
        # One that knows no endpoint sends to the workers', whichever that is.
        away = next((e for e in listed if own in (e.endpoint, "") and not e.trying), None)
        if away and not self._away:
            log.warning("%s is away: %s", away.endpoint, away.reason)
        if self._away and not away:
            log.info("the endpoint can be reached again")
        self._away = away is not None

    def _resume_and_close(self) -> int:
        """Jobs paused by the day's cap run again where it has room; those without an open item are
        done: how many."""
        with self._leading() as conn:
            resumed = spend.resume_within_caps(conn, self._day_cap_nusd)
            closed = job_states.close_jobs(conn)
        for job_id in resumed:
            log.info("job %s resumes: the day's cap has room", job_id, extra={"job_id": job_id})
        for job_id in closed:
            log.info("job %s is done", job_id, extra={"job_id": job_id})
        return len(closed)

    def _schedules(self) -> None:
        """Fire what is due, and begin runs, which read their sources in threads of their own."""
        with self._leading() as conn:
            fired = fire(conn)
            claimed = self._runner.claim(conn)
        for name in fired:
            log.info("schedule %s is due", name)
        self._runner.start(claimed)

    def _resign(self) -> None:
        """Let another coordinator lead at once."""
        if self._token is None:
            return
        token, self._token = self._token, None
        try:
            with self._engine.begin() as conn:
                leadership.resign(conn, self._name, token)
        except DBAPIError as error:
            log.warning("could not resign (%s); the lease runs out by itself", error_text(error))
