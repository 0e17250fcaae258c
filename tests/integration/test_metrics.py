"""What a coordinator tells Prometheus, read over HTTP from real servers."""

from __future__ import annotations

import itertools
import random
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine
from support.job_database import JobDatabase
from support.scraped import Scrape, expected, scrape
from support.waiting import wait_until

from ruie.db import endpoints, forget, job_states, queue
from ruie.db.engine import open_engine, reading
from ruie.db.erasure import blank
from ruie.errors import OutputError
from ruie.llm.ledger import Failure
from ruie.records import Reject, RejectReason, Task
from ruie.settings import Settings, load
from ruie.worker.app import create_app
from ruie.worker.coordinator import Coordinator
from ruie.worker.metrics.catalogue import METRICS
from ruie.worker.metrics.serving import serve_metrics

LLM = "http://127.0.0.1:9/v1"


class Running:
    """A coordinator whose rounds the test makes, and its metrics over HTTP."""

    def __init__(self, coordinator: Coordinator, port: int) -> None:
        self.coordinator = coordinator
        self.port = port

    def scrape(self) -> Scrape:
        """After all rows are counted."""
        self.coordinator._fold_from = 0.0  # now, and not once a second
        self.coordinator.tick()
        found = scrape(self.port)
        assert found is not None
        return found


@contextmanager
def coordinator(engine: Engine, redis_url: str, **settings: object) -> Iterator[Running]:
    config: Settings = load(
        database_url=engine.url.render_as_string(hide_password=False),
        redis_url=redis_url,
        llm_base_url=LLM,
        **settings,
    )
    with Redis.from_url(redis_url) as redis:
        made = Coordinator(engine, create_app(config), redis, config)
        with serve_metrics(made, engine, config, 0) as port:
            yield Running(made, port)
        made.stop.set()
        made.run()  # resigns


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def database(engine: Engine) -> JobDatabase:
    return JobDatabase(engine)


def work(database: JobDatabase, count: int, rng: random.Random, **job: Any) -> str:
    """A job of so many documents, of which half are answered, some fail and the rest wait."""
    made = database.job(**job)
    tag = rng.random()
    database.enqueue(made, [f"text {n} {tag}" for n in range(count)], Task.NER, Task.RE)
    for number, item in enumerate(database.take(made)):
        if number % 4 == 0:
            error = OutputError("unreadable")
            with database.engine.begin() as conn:
                queue.quarantine(conn, item, error)
                queue.record_attempt(conn, item, error, model="small", endpoint=LLM, cost_usd=1e-9)
        elif number % 4 == 1:
            with database.engine.begin() as conn:
                queue.release(conn, [item])
        else:
            database.save(
                item,
                endpoint=LLM,
                latency_s=rng.random() * 10,
                cost_usd=rng.randrange(10**8) / 1e9,
                rejects=[Reject(RejectReason.LEAKED, "x")],
            )
    return made


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
           "ruie_coordinator_last_round_timestamp_seconds"}  # fmt: skip  # one set
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


def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_server_has_two_pages_and_is_read_only(engine: Engine, url: str) -> None:
    with coordinator(engine, url) as running:
        assert get(running.port, "/health") == (200, "ok\n")
        running.coordinator._round_at -= 61.0
        assert get(running.port, "/health")[0] == 503
        assert get(running.port, "/")[0] == 404
        assert get(running.port, "/metrics", "POST")[0] == 405


def test_a_client_that_says_nothing_holds_nobody_up(engine: Engine, url: str) -> None:
    with coordinator(engine, url) as running:
        silent = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(20)]
        answers: list[Scrape | None] = []
        readers = [
            threading.Thread(target=lambda: answers.append(scrape(running.port))) for _ in range(8)
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        assert len(answers) == 8
        assert all(answer and answer.value("ruie_database_up") == 1 for answer in answers)
        for connection in silent:
            connection.close()


def test_a_port_in_use_is_an_error_that_names_it(
    ruie: Callable[..., subprocess.CompletedProcess[str]], redis_url: str, upgraded: object
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = ruie("coordinator", RUIE_REDIS_URL=redis_url, RUIE_METRICS_PORT=port)
    assert done.returncode != 0
    assert f"Port {port} of 127.0.0.1 is in use" in done.stderr
    done = ruie(
        "coordinator", RUIE_REDIS_URL=redis_url, RUIE_METRICS_PORT=port,
        RUIE_METRICS_ADDRESS="192.0.2.1",
    )  # fmt: skip  # its settings
    assert "Set RUIE_METRICS_ADDRESS to an address of this machine" in done.stderr
