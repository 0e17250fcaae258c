"""The databases that acceptance tests run on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.databases import BACKENDS, Server, postgresql_server, sqlite_server

__all__ = ["postgresql_server", "sqlite_server"]


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An up-to-date, empty database: each test runs on SQLite and on PostgreSQL."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    url = server.current()
    yield url
    server.drop(url)
