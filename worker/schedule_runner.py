"""The runs of schedules, which the leading coordinator does beside its rounds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from ruie.db import schedule_runs, schedules
from ruie.db.engine import open_engine
from ruie.db.outage import error_text, is_away
from ruie.errors import RuieError, UsageError
from ruie.schema import Schema
from ruie.settings import Settings
from ruie.worker.client import Client, Options
from ruie.worker.cron import latest_due, next_due
from ruie.worker.ingest.enqueue import Enqueued, EnqueueProgress, ProgressCallback
from ruie.worker.ingest.sources.mapping import ColumnMapping

log = logging.getLogger("ruie.schedules")

LEASE_S = 30.0
"""So many seconds after its process died, a run is continued by another coordinator."""
BEAT_S = 5.0
PARALLEL = 2
"""Runs at once: each reads and writes as fast as it can."""


def fire(conn: Connection) -> list[str]:
    """Fire the schedules that are due; returns their names."""
    return schedules.fire(conn, next_due, latest_due)


class LostRunError(RuieError):
    """Another process has the run by now, or this one ends."""


class ScheduleRunner:
    """Does runs in threads, with an engine of their own, so that no round waits for them."""

    def __init__(self, config: Settings, owner: str) -> None:
        self._config = config
        self._owner = owner
        self._threads: dict[int, threading.Thread] = {}
        self._stop = threading.Event()
        self._opening = threading.Lock()
        self._opened: Engine | None = None
        self._using = 0

    def claim(self, conn: Connection) -> Sequence[schedule_runs.ClaimedRun]:
        """In the leader's transaction: the runs that are to begin now."""
        self._threads = {k: t for k, t in self._threads.items() if t.is_alive()}
        room = PARALLEL - len(self._threads)
        return schedule_runs.claim(conn, self._owner, LEASE_S, room) if room > 0 else []

    def start(self, claimed: Sequence[schedule_runs.ClaimedRun]) -> None:
        """Begin what was claimed, once the transaction is over."""
        for run in claimed:
            thread = threading.Thread(
                target=self._do, args=(run,), name=f"ruie-schedule-{run.id}", daemon=True
            )
            self._threads[run.id] = thread
            thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the runs at their next progress report, and give them back."""
        self._stop.set()
        for thread in self._threads.values():
            thread.join(timeout_s)

    @contextmanager
    def _engine(self) -> Iterator[Engine]:
        """One for all runs: of those that were asked for their tables and views SQLAlchemy keeps
        the last 128 for ever, with all they compiled. The last run ends its connections: the next
        may be a day away."""
        with self._opening:
            if self._opened is None:
                self._opened = open_engine(self._config.database_url)
            self._using += 1
        try:
            yield self._opened
        finally:
            with self._opening:
                self._using -= 1
                if not self._using:
                    self._opened.dispose()

    def _do(self, run: schedule_runs.ClaimedRun) -> None:
        try:
            with self._engine() as engine:
                self._do_with(engine, run)
        except RuieError as error:
            log.warning("schedule %s: %s; its run is tried again", run.schedule.name, error)

    def _do_with(self, engine: Engine, run: schedule_runs.ClaimedRun) -> None:
        name = run.schedule.name
        over, lost = threading.Event(), threading.Event()
        beat = threading.Thread(target=self._beat, args=(engine, run, over, lost), daemon=True)
        beat.start()

        def check_lease(_: EnqueueProgress | None = None) -> None:
            if lost.is_set() or self._stop.is_set():
                raise LostRunError(f"The run of {name} stops here.")

        try:
            check_lease()
            done = enqueue(Client(self._config, engine), run, check_lease)
            with engine.begin() as conn:
                schedule_runs.finish(conn, run, done.job_id, _counts(done))
            about = {"job_id": done.job_id}
            log.info(
                "schedule %s: %d documents, job %s", name, done.documents, done.job_id, extra=about
            )
        except LostRunError:
            with engine.begin() as conn:
                schedule_runs.release(conn, run)
        except Exception as error:  # whatever a source raises must not lose the schedule
            self._failed(engine, run, error)
        finally:
            over.set()
            beat.join()

    def _failed(self, engine: Engine, run: schedule_runs.ClaimedRun, error: Exception) -> None:
        """Retry the run after a pause or give it up, so that others have its place meanwhile."""
        name = run.schedule.name
        try:
            if is_away(error):
                raise error
            with engine.begin() as conn:
                again = schedule_runs.fail(conn, run, _reason(error))
        except Exception as failure:
            # the lease expires, and the run is continued when the database is back
            log.warning("schedule %s: the database is unavailable (%s)", name, error_text(failure))
        else:
            log.warning(
                "schedule %s: %s (%s)", name, _reason(error), "again" if again else "given up"
            )

    def _beat(
        self,
        engine: Engine,
        run: schedule_runs.ClaimedRun,
        over: threading.Event,
        lost: threading.Event,
    ) -> None:
        while not over.wait(BEAT_S):
            try:
                with engine.begin() as conn:
                    if not schedule_runs.heartbeat(conn, run, LEASE_S) and not over.is_set():
                        lost.set()
                        return
            except Exception as error:
                log.warning("schedule %s: no heartbeat (%s)", run.schedule.name, error_text(error))
                if not is_away(error):
                    lost.set()
                    return


def enqueue(client: Client, run: schedule_runs.ClaimedRun, progress: ProgressCallback) -> Enqueued:
    """The run itself: its sources into a job. Raises `UsageError` where nothing could be read, and
    the errors of its sources."""
    spec = run.schedule.spec
    options: Options = spec["options"].copy()
    options["name"] = options.get("name") or run.schedule.name
    options["corpus"] = options.get("corpus") or run.schedule.name
    columns = spec.get("mapping", {})  # none in schedules of older versions
    if columns.get("metadata") is not None:
        columns = {**columns, "metadata": tuple(columns["metadata"])}
    done = client.enqueue_files(
        spec["sources"],
        Schema.from_body(spec["schema"]),
        progress,
        mapping=ColumnMapping(**columns),
        input_format=spec.get("input_format", ""),
        **options,
    )
    if not done.documents and not done.unchanged and done.errors:
        first = done.errors[0]
        raise UsageError(
            f"Nothing could be read: {first.source} {first.reason}.", "See the source."
        )
    return done


def _reason(error: Exception) -> str:
    if isinstance(error, RuieError):
        return str(error)
    return f"{type(error).__name__}: {error_text(error)}"


def _counts(done: Enqueued) -> dict[str, int]:
    return {
        "documents": done.documents,
        "new": done.documents - done.changed,
        "changed": done.changed,
        "unchanged": done.unchanged,
        "removed": done.removed,
        "refused": done.refused,
    }
