"""Both databases, real ones: each test gets a fresh one of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.databases import BACKENDS, Server, postgresql_server, sqlite_server
from support.house import House

from ruie.db.engine import open_engine
from ruie.records import Grounding, Item, Span

__all__ = ["postgresql_server", "sqlite_server"]


@pytest.fixture(params=BACKENDS)
def server(request: pytest.FixtureRequest) -> Server:
    chosen: Server = request.getfixturevalue(f"{request.param}_server")
    return chosen


@pytest.fixture
def empty_url(server: Server) -> Iterator[str]:
    url = server.empty()
    yield url
    server.drop(url)


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    url = server.current()
    yield url
    server.drop(url)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = open_engine(url)
    yield opened
    opened.dispose()


@pytest.fixture
def house(engine: Engine) -> House:
    return House(engine)


def spans(text: str, *words: str) -> tuple[Span, ...]:
    """Each word where it first is in the text."""
    return tuple(
        Span(word, text.index(word), text.index(word) + len(word), Grounding.EXACT)
        for word in words
    )


@pytest.fixture
def record() -> Callable[..., Item]:
    """record(text, type, word, ...): an item whose spans are the words in the text."""
    return lambda text, type_, *words: Item(type_, spans(text, *words))


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    return tmp_path / "other.db"
