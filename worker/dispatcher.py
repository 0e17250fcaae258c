"""Puts work items into batches and sends their messages, as many as the window has room for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from celery import Celery
from redis import Redis
from sqlalchemy import Connection, Engine

from ruie.db import batch_jobs, processes, queue, sent_batches
from ruie.db.engine import reading
from ruie.db.jobs import Priority
from ruie.settings import Settings
from ruie.worker.app import MESSAGE_PRIORITY
from ruie.worker.messages import BATCH_TASK, QUEUE, next_batch

WAITING_BATCHES = 2
"""So many batches' worth of requests may wait to be sent: more of them are not built meanwhile."""


class Dispatcher:
    """Of the coordinator that leads. leading: a transaction in which it does."""

    def __init__(
        self,
        engine: Engine,
        app: Celery,
        redis: Redis,
        config: Settings,
        leading: Callable[[], AbstractContextManager[Connection]],
    ) -> None:
        self._engine = engine
        self._app = app
        self._redis = redis
        self._config = config
        self._leading = leading

    def fill(self) -> int:
        """Send batches until the window is full, which each class of jobs has for itself: a
        backfill never stands in a live job's way. Returns how many. First SQL, then Redis: a
        message that is lost between the two is sent again when its time is up."""
        config = self._config
        self._await_turns()
        batches: list[queue.Batch] = []
        with self._leading() as conn:
            flying = queue.in_flight(conn)
            batched = batch_jobs.running_jobs(conn)
            most_waiting = WAITING_BATCHES * config.llm_batch_requests
            held_back = batch_jobs.held_back(conn, batched, most_waiting)
            at_work = processes.number_alive(conn, "worker")
            for priority in queue.classes(conn):
                larger = any(job.priority == priority for job in batched)
                room = self._room(flying.get(priority, 0), larger)
                if room > 0:
                    batches += queue.dispatch(
                        conn, None, room, config.batch_size, config.dispatch_s,
                        priority=priority, without_calls={job.id for job in batched},
                        held_back=held_back, processes=at_work,
                    )  # fmt: skip  # one line each
        for batch in batches:
            self._app.send_task(
                BATCH_TASK,
                args=[batch.id, batch.priority],
                queue=QUEUE,
                priority=MESSAGE_PRIORITY[Priority(batch.priority)],
                ignore_result=True,
            )
        return len(batches)

    def _room(self, flying: int, larger: bool) -> int:
        """For how many more items of a class there is room; for full batches alone while others
        are under way, as each batch costs a worker some round trips.

        larger: some of its batches are, as their items make no calls."""
        config = self._config
        room = config.window - flying
        full = config.batch_size * (queue.WITHOUT_CALLS if larger else 1)
        return room - room % min(full, config.window) if flying else room

    def _await_turns(self) -> None:
        """What was not taken in time is sent again, unless its turn has not come: a fleet that is
        slow would otherwise take ever more messages whose batches were sent again meanwhile, until
        it does nothing else."""
        with reading(self._engine) as conn:
            late = sent_batches.late_classes(conn)
        for priority in late:
            waiting = next_batch(self._redis, MESSAGE_PRIORITY[Priority(priority)])
            if waiting is not None:
                with self._leading() as conn:
                    sent_batches.await_turn(conn, priority, waiting, self._config.dispatch_s)
