"""No statement of a fleet reads a large table from its beginning to its end.

The statements are those that the program sends, with their parameters, while a job is enqueued,
worked off, looked at and pruned in a database that has some 50,000 items of earlier jobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.batch_provider import BatchProvider
from support.batch_scene import BATCHES
from support.corpus import SCHEMA, rows
from support.databases import Server
from support.large_database import LARGE, analyse, fill
from support.metering import Plan
from support.pages_server import Visitor, serving
from support.pipeline import work_off
from support.plans import Plans, Scan, plans
from support.reporting import coordinator

from ruie.db.engine import open_engine
from ruie.db.pruning.parts import Kind
from ruie.db.pruning.prune import cutoff, prune, survey
from ruie.settings import Settings, load
from ruie.worker.client import Client
from ruie.worker.job_status import job_status

ALLOWED = {
    (
        "input_errors",
        "SELECT jobs.id FROM jobs",
    ): "all are of one job here, so that the index by job shortens nothing; once in a pruning",
}
"""Tables that statements which begin so may read, with the reason."""
SPAN = 500
"""Ids that pruning looks at together: a small part of each table, as they are of larger ones."""


@pytest.fixture
def database(postgresql_server: Server) -> Iterator[str]:
    url = postgresql_server.current()
    engine = open_engine(url)
    fill(engine)
    analyse(engine)
    engine.dispose()
    yield url
    postgresql_server.drop(url)


@pytest.fixture
def config(database: str, url: str, tmp_path: Path) -> Iterator[Settings]:
    with BatchProvider(Plan(delay_s=(0.0, 0.0)), tmp_path) as provider:
        yield load(
            database_url=database, redis_url=url, home=tmp_path, llm_base_url=provider.url,
            llm_model="scripted", batch_size=8, demonstrations=0, **BATCHES,
        )  # fmt: skip  # a setting is a few words


def work(client: Client, reading: Plans, engine: Engine) -> str:
    """Jobs from their documents to their end, one by one and in batches."""
    reading.step = "enqueue"
    first = client.enqueue(rows(40, 1), SCHEMA, corpus="fresh", cap_usd=1.0).job_id
    analyse(engine)
    reading.step = "work"
    assert work_off(client.config, first) == "done"
    reading.step = "work again"
    again = client.enqueue(rows(40, 1), SCHEMA, name="again").job_id
    assert work_off(client.config, again) == "done"
    reading.step = "batches"
    batched = client.enqueue(rows(20, 2), SCHEMA, mode="batch").job_id
    assert work_off(client.config, batched) == "done"
    return first


def look(client: Client, reading: Plans, job: str) -> None:
    """What people and Prometheus ask for."""
    reading.step = "status"
    for each in (job, "old"):
        job_status(client, each)
    reading.step = "pages"
    with serving(client.config) as site:
        visitor = Visitor(site)
        for path in ("/jobs", f"/jobs/{job}", "/jobs/old", f"/jobs/{job}/quarantine", "/documents",
                     "/documents?id=doc-7", "/documents/7", "/documents/calls/7",
                     "/fleet"):  # fmt: skip  # a list of pages
            assert visitor.get(path).status == 200, path
    reading.step = "metrics"
    with coordinator(client.engine, client.config.redis_url) as running:
        running.scrape()


def allowed(scan: Scan) -> bool:
    return any(scan.table == table and scan.statement.startswith(begin) for table, begin in ALLOWED)


def test_no_statement_of_a_fleet_reads_a_whole_table(
    config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ruie.db.pruning.parts.SPAN", SPAN)
    with plans() as reading, Client(config) as client:
        job = work(client, reading, client.engine)
        look(client, reading, job)
        reading.step = "prune"
        until = cutoff(client.engine, 3600.0)
        survey(client.engine, until, list(Kind), lambda *_: None)
        prune(client.engine, until, list(Kind), lambda *_: None)
        reading.finish(client.engine)
    assert len(reading.seen) > 150
    scans = {str(scan) for scan in reading.scans if scan.table in LARGE and not allowed(scan)}
    assert scans == set()
