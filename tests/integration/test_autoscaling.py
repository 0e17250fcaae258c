"""The query of deploy/kubernetes in a simulated week: workers follow what can be done."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from redis import Redis
from sqlalchemy import Engine
from support.databases import Server
from support.job_database import JobDatabase
from support.kubernetes import FOLDER

from ruie.db import endpoints, job_states
from ruie.db.engine import open_engine
from ruie.db.jobs import PausedBy
from ruie.llm.ledger import Failure
from ruie.settings import load
from ruie.worker.app import create_app
from ruie.worker.coordinator import Coordinator

LLM = "http://127.0.0.1:9/v1"
IN_FLIGHT = 16
PER_HOUR = 10
"""Items that one worker does in a simulated hour."""
HOURS = 2
"""Between two looks."""


def scaled_object() -> dict[str, Any]:
    text = (FOLDER / "components/keda/worker.yaml").read_text(encoding="utf-8")
    (found,) = (made for made in yaml.safe_load_all(text) if made["kind"] == "ScaledObject")
    return dict(found["spec"])


@dataclass
class Autoscaler:
    """What KEDA and the cluster's own autoscaler make of the answer: https://keda.sh/docs, under
    "AverageValue"; none below the activation, else the answer divided by the target, rounded up."""

    database: JobDatabase
    spec: dict[str, Any] = field(default_factory=scaled_object)

    def workers(self) -> int:
        (trigger,) = self.spec["triggers"]
        asked = trigger["metadata"]
        ((value,),) = self.database.rows(asked["query"])
        value = int(value)
        if value <= float(asked["activationTargetQueryValue"]):
            return int(self.spec["minReplicaCount"])
        wanted = math.ceil(value / float(asked["targetQueryValue"]))
        return min(max(wanted, 1), int(self.spec["maxReplicaCount"]))


class Week:
    """A fleet whose workers do their items at once at the end of each hour."""

    def __init__(self, engine: Engine, redis: Redis, url: str) -> None:
        config = load(
            database_url=engine.url.render_as_string(hide_password=False),
            redis_url=url,
            llm_base_url=LLM,
            llm_max_in_flight=IN_FLIGHT,
        )
        self.engine = engine
        self.database = JobDatabase(engine)
        self.autoscaler = Autoscaler(self.database)
        self.coordinator = Coordinator(engine, create_app(config), redis, config)
        self.coordinator.tick()  # it leads
        self.arrived = 0

    def arrive(self, items: int) -> str:
        job = self.database.job()
        self.database.enqueue(job, [f"text {self.arrived + n}" for n in range(items)])
        self.arrived += items
        return job

    def hour(self) -> int:
        """The workers of these hours, after they have worked."""
        self.coordinator._upkeep.hurry()
        self.coordinator._upkeep.run()
        workers = self.autoscaler.workers()
        running = "SELECT id FROM jobs WHERE state = 'running'"
        with self.engine.begin() as conn:
            conn.exec_driver_sql(
                "UPDATE work_items SET state = 'done' WHERE id IN"
                " (SELECT id FROM work_items WHERE state = 'pending'"
                f" AND job_id IN ({running}) ORDER BY id LIMIT {workers * PER_HOUR * HOURS})"
            )
        return workers

    def open(self) -> int:
        sql = "SELECT COUNT(*) FROM work_items WHERE state <> 'done'"
        ((count,),) = self.database.rows(sql)
        return int(count)

    def pause(self, job: str, by: PausedBy) -> None:
        with self.engine.begin() as conn:
            job_states.set_job_state(conn, job, "paused", "as said", by=by)

    def resume(self, job: str) -> None:
        with self.engine.begin() as conn:
            job_states.set_job_state(conn, job, "running")


@pytest.fixture
def database_url(postgresql_server: Server) -> Iterator[str]:
    """KEDA asks PostgreSQL."""
    url = postgresql_server.current()
    yield url
    postgresql_server.drop(url)


@pytest.fixture
def week(database_url: str, url: str) -> Iterator[Week]:
    engine = open_engine(database_url)
    with Redis.from_url(url) as redis:
        yield Week(engine, redis, url)
    engine.dispose()


def test_workers_follow_what_can_be_done_for_a_week(week: Week) -> None:
    seen: dict[str, list[int]] = {}
    for number in range(0, 7 * 24, HOURS):
        day, hour = divmod(number, 24)
        if day < 5 and hour in (2, 14):  # a burst at night, and one by day
            job = week.arrive(600 if hour == 2 else 90)
        when = "at work"
        if day == 1 and 4 <= hour < 8:
            when = "paused"
            week.pause(job, "person")
        elif day == 2 and 4 <= hour < 10:
            when = "capped"
            week.pause(job, "job_cap")
        elif day == 3 and 2 <= hour < 6:
            when = "away"
            if hour == 2:
                with week.engine.begin() as conn:
                    endpoints.failed(conn, LLM, Failure("unreachable", "refused"), certain=True)
        elif (day, hour) in ((1, 8), (2, 10)):
            week.resume(job)
        elif (day, hour) == (3, 6):
            with week.engine.begin() as conn:
                endpoints.answered(conn, LLM)
        left = week.open()
        workers = week.hour()
        if when == "at work":
            assert (workers > 0) == (left > 0), (day, hour, left)
            assert workers <= math.ceil(left / IN_FLIGHT / 2)
        seen.setdefault(when, []).append(workers)
    assert week.arrived == 5 * 690
    assert week.open() == 0
    assert max(seen["at work"]) == math.ceil(600 / IN_FLIGHT / 2)
    for when in ("paused", "capped", "away"):
        assert set(seen[when]) == {0}, when
    assert seen["at work"][-12:] == [0] * 12  # nobody works on Sunday


def test_never_more_than_the_most(week: Week) -> None:
    week.arrive(3000)
    assert week.hour() == week.autoscaler.spec["maxReplicaCount"]


def test_before_any_coordinator_there_is_nothing_to_do(database_url: str) -> None:
    engine = open_engine(database_url)
    database = JobDatabase(engine)
    database.enqueue(database.job(), ["Ada was here."])
    assert Autoscaler(database).workers() == 0
    engine.dispose()
