"""What a coordinator tells Prometheus, read over HTTP from real servers."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from support.job_database import JobDatabase
from support.reporting import LLM, Running, coordinator, work
from support.scraped import Scrape, expected, scrape
from support.waiting import wait_until

from ruie.db import endpoints, forget, job_states
from ruie.db.engine import open_engine, reading
from ruie.db.erasure import blank
from ruie.llm.ledger import Failure
from ruie.worker.metrics.catalogue import METRICS


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def database(engine: Engine) -> JobDatabase:
    return JobDatabase(engine)


def test_every_counter_is_what_the_rows_say(
    engine: Engine, database: JobDatabase, url: str
) -> None:
    job = work(database, 10, random.Random(1))
    with coordinator(engine, url) as running:
        found = running.scrape()
        assert found.totals == expected(engine, (job,))
        assert found.value("ruie_totals_rows_behind") == 0


def test_labels_of_a_job_are_there_only_while_it_is_open(
    engine: Engine, database: JobDatabase, url: str
) -> None:
    first, second = (work(database, 4, random.Random(n), cap_nusd=10**9) for n in (1, 2))
    with coordinator(engine, url) as running:
        counted = {
            (("job_id", job), ("state", state), ("task", task)): items
            for job, task, state, items in database.rows(
                "SELECT job_id, task, state, COUNT(*) FROM work_items GROUP BY job_id, task, state"
            )
        }
        wait_until(lambda: running.scrape().of("ruie_items"))
        before = running.scrape()
        assert {k: v for k, v in before.of("ruie_items").items() if v} == counted
        capped = {dict(labels)["job_id"] for labels in before.of("ruie_job_cap_usd")}
        assert capped == {first, second}
        with engine.begin() as conn:
            job_states.set_job_state(conn, first, "cancelled")
        after = running.scrape()
        assert first not in str(after.samples.keys())
        assert second in str(after.samples.keys())
        everything = [n for n in before.totals if "job_id" not in dict(n[1])]
        assert all(after.samples[key] == before.samples[key] for key in everything)


def test_of_two_coordinators_one_alone_reports_the_fleet(
    engine: Engine, database: JobDatabase, url: str
) -> None:
    work(database, 6, random.Random(3))
    own = {"ruie_build_info", "ruie_coordinator_leads", "ruie_database_up",
           "ruie_coordinator_last_round_timestamp_seconds", "ruie_coordinator_rounds_total",
           "ruie_coordinator_round_seconds_total"}  # fmt: skip  # one set
    with coordinator(engine, url) as first, coordinator(engine, url) as second:
        leading, standing_by = first.scrape(), second.scrape()
        assert leading.value("ruie_coordinator_leads") == 1
        assert standing_by.value("ruie_coordinator_leads") == 0
        names = {name for name, _ in standing_by.samples if name.startswith("ruie_")}
        assert names == own
        # the first one still believes that it leads; the database knows better
        with engine.begin() as conn:
            conn.exec_driver_sql("UPDATE leadership SET holder = NULL")
        assert second.scrape().totals == leading.totals
        stale = scrape(first.port)
        assert stale is not None
        assert stale.value("ruie_coordinator_leads") == 0
        assert stale.totals == {}


def test_counters_never_fall_whatever_is_forgotten_and_whoever_leads(
    engine: Engine, database: JobDatabase, url: str
) -> None:
    rng = random.Random(4)
    seen: list[Scrape] = []
    for _ in range(3):
        job = work(database, 6, rng)
        with coordinator(engine, url) as running:
            seen.append(running.scrape())
            with reading(engine) as conn:
                ids = [row[0] for row in conn.exec_driver_sql("SELECT external_id FROM origins")]
                found = [one.document_id for one in forget.find(conn, ids)]
            with engine.begin() as conn:
                job_states.set_job_state(conn, job, "cancelled")
                forget.mark(conn, found[:3])
                blank(conn, found[:3])
            seen.append(running.scrape())
    for before, after in itertools.pairwise(seen):
        for sample, value in before.counters.items():
            if "job_id" not in dict(sample[1]):
                assert after.samples[sample] >= value, sample


def test_useful_work_follows_what_could_be_worked_on(
    engine: Engine, database: JobDatabase, url: str
) -> None:
    job = database.job()
    database.enqueue(job, [f"text {n}" for n in range(40)])

    def useful(running: Running) -> float | None:
        return running.scrape().value("ruie_useful_worker_processes")

    with coordinator(engine, url, llm_max_in_flight=16) as running:
        assert useful(running) == 3
        with engine.begin() as conn:
            job_states.set_job_state(conn, job, "paused", "the cap is reached", by="job_cap")
        assert useful(running) == 0
        assert running.scrape().value("ruie_job_paused", job_id=job, by="job_cap") == 1
        with engine.begin() as conn:
            job_states.set_job_state(conn, job, "running")
            endpoints.failed(conn, LLM, Failure("unreachable", "refused"), certain=True)
        assert useful(running) == 0
        away = running.scrape()
        assert away.value("ruie_endpoint_away", llm_endpoint=LLM) == 1
        assert away.value("ruie_endpoint_outages_total", llm_endpoint=LLM) == 1
        with engine.begin() as conn:
            endpoints.answered(conn, LLM)
        assert useful(running) == 3


def test_a_scrape_says_what_cannot_be_read(engine: Engine, database: JobDatabase, url: str) -> None:
    work(database, 2, random.Random(5))
    with coordinator(engine, url) as running:
        running.scrape()
        with engine.begin() as conn:
            conn.exec_driver_sql("ALTER TABLE endpoints RENAME TO elsewhere")
        broken = scrape(running.port)
        with engine.begin() as conn:
            conn.exec_driver_sql("ALTER TABLE elsewhere RENAME TO endpoints")
        assert broken is not None
        assert broken.value("ruie_database_up") == 0
        assert broken.value("ruie_coordinator_leads") == 0
        assert broken.totals == {}
        assert running.scrape().value("ruie_database_up") == 1


def test_names_types_and_labels_are_those_of_the_catalogue(
    engine: Engine, database: JobDatabase, url: str
) -> None:
    work(database, 4, random.Random(6), cap_nusd=10**9)
    with coordinator(engine, url, llm_requests_per_minute=60, spend_per_day_usd=5.0) as running:
        found = running.scrape()
        for name, kind in found.types.items():
            if name.startswith("ruie_"):
                metric = METRICS[f"{name}_total" if kind == "counter" else name]
                assert metric.kind == kind
        for name, labels in found.samples:
            if name in METRICS:
                assert {label for label, _ in labels} == set(METRICS[name].labels)


def test_what_cannot_be_counted_stops_no_other_duty(
    engine: Engine, database: JobDatabase, url: str
) -> None:
    work(database, 4, random.Random(7))
    with coordinator(engine, url) as running:
        with engine.begin() as conn:
            conn.exec_driver_sql("ALTER TABLE metric_totals RENAME TO elsewhere")
        tick = running.coordinator.tick()
        assert tick.leading
        assert tick.sent
        with engine.begin() as conn:
            conn.exec_driver_sql("ALTER TABLE elsewhere RENAME TO metric_totals")
        assert running.scrape().totals
