"""Servers that integration tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import redis

from ruie.errors import UnavailableError
from worker.embedded.redis_server import RedisServer


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis server of this test run alone."""
    try:
        server = RedisServer(tmp_path_factory.mktemp("redis"))
    except UnavailableError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield server.url
    server.stop()


@pytest.fixture
def url(redis_url: str) -> str:
    """An empty server."""
    redis.Redis.from_url(redis_url).flushall()
    return redis_url
