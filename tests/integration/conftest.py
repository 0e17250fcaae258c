"""Servers that integration tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from support.command_server import CommandServer
from support.databases import BACKENDS, Server, postgresql_server, sqlite_server
from support.redis_keys import assert_keys_expire
from support.waiting import PATIENCE_S
from support.web_site import site

from ruie.bundle import Bundle
from ruie.errors import UnavailableError
from ruie.worker.embedded.redis_server import RedisServer

__all__ = ["postgresql_server", "site", "sqlite_server"]


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An up-to-date, empty database: each test runs on SQLite and on PostgreSQL."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    url = server.current()
    yield url
    server.drop(url)


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
def url(redis_url: str) -> Iterator[str]:
    """An empty server; what a test leaves there expires."""
    redis.Redis.from_url(redis_url).flushall()
    yield redis_url
    assert_keys_expire(redis_url)


@pytest.fixture(scope="module")
def opened(bundle_path: Path) -> Bundle:
    return Bundle.open(bundle_path, threads=2)


@pytest.fixture
def copied(bundle_path: Path, tmp_path: Path) -> Path:
    """A copy of the bundle, to be changed."""
    return Path(shutil.copytree(bundle_path, tmp_path / "bundle"))


@pytest.fixture
def upgraded(sqlite_server: Server, tmp_path: Path) -> Path:
    """The command's database in its folder, as `ruie db upgrade` leaves it."""
    made = sqlite_server.current().removeprefix("sqlite:///")
    return Path(shutil.move(made, tmp_path / "ruie.db"))


@pytest.fixture(scope="session")
def command_server() -> Iterator[CommandServer]:
    with CommandServer() as server:
        yield server


@pytest.fixture
def ruie(
    tmp_path: Path, command_server: CommandServer
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command in an empty folder, with a schema in it, and a clean environment."""
    (tmp_path / "news.yaml").write_text("name: news\nentities: [person, place]\n")

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("RUIE_")}
        return command_server.run(arguments, tmp_path, {**clean, **settings}, timeout_s=PATIENCE_S)

    return run
