"""The pages over the database of news, on both kinds of database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support import news
from support.pages_server import Page, Visitor, serving

from ruie.db.engine import open_engine, reading
from ruie.db.reader import make_reader
from ruie.db.reviews import find_document
from ruie.settings import load
from ruie.worker.client import Client


@dataclass(frozen=True)
class Site:
    """A running site over the database of news. job: the one that was reviewed."""

    visitor: Visitor
    client: Client
    job: str

    def get(self, path: str, **headers: str) -> Page:
        page = self.visitor.get(path, **headers)
        assert page.status == 200, page.text
        return page

    def named(self, name: str) -> str:
        return next(job.id for job in self.client.jobs() if job.name == name)


@pytest.fixture
def site(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr("ruie.worker.web.jobs.SOON_S", None)  # everything is counted
    engine = open_engine(database_url)
    job = news.build(engine, tmp_path)
    query_url = _reader_url(engine)
    config = load(
        database_url=database_url,
        query_database_url=query_url,
        redis_url="",
        llm_prices={"small": {"input": 1, "output": 2}},
    )
    with serving(config) as url, Client(config) as client:
        yield Site(Visitor(url), client, job)
    engine.dispose()


def _reader_url(engine: Engine) -> str:
    if engine.dialect.name == "sqlite":
        return ""
    return make_reader(engine, "web_reader", "secret").render_as_string(hide_password=False)


def document(site: Site, name: str, job: str = "") -> str:
    with reading(site.client.engine) as conn:
        found = find_document(conn, job or site.job, name)
    assert found
    return f"/documents/{found[0]}?job={job or site.job}"
