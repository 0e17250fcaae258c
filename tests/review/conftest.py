"""A job to review, its pages, and a browser to do it in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import Engine
from support.chromium import chromium
from support.databases import BACKENDS, Server, postgresql_server, sqlite_server
from support.pages_server import serving
from support.review_job import reviewed_job

from ruie.db.engine import open_engine
from ruie.settings import Settings, load

__all__ = ["postgresql_server", "sqlite_server"]


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An up-to-date, empty database."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    url = server.current()
    yield url
    server.drop(url)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def job(engine: Engine) -> str:
    return reviewed_job(engine)


@pytest.fixture
def config(database_url: str) -> Settings:
    return load(database_url=database_url)


@pytest.fixture
def address(config: Settings, job: str) -> Iterator[str]:
    """Of the job's pages."""
    with serving(config) as base:
        yield f"{base}/review/{job}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed with the module: its event loop would be in the way of other tests."""
    with chromium() as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context()
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page in which nothing may go wrong unseen."""
    made = context.new_page()
    failures: list[str] = []
    made.on("pageerror", lambda error: failures.append(str(error)))
    made.on("console", lambda told: failures.append(told.text) if _forbidden(told.text) else None)
    yield made
    assert failures == []


def _forbidden(told: str) -> bool:
    """Whether the browser says that the policy of the pages forbids what a page did."""
    return "Content Security Policy" in told
