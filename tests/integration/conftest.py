"""Servers that integration tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from support.collector import Collector
from support.command_server import CommandServer
from support.databases import BACKENDS, Server, postgresql_server, sqlite_server
from support.redis_keys import assert_keys_expire
from support.waiting import PATIENCE_S
from support.web_site import site

from ruie.bundle import Bundle
from ruie.client import Client
from ruie.db import migrate
from ruie.db.engine import open_engine
from ruie.errors import UnavailableError
from ruie.settings import load
from ruie.worker.embedded.redis_server import RedisServer
from ruie.worker.tracing import opening

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


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector to which this process sends."""
    with Collector() as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running
        running.hold.set()
        opening.close()


@pytest.fixture
def traced_client(tmp_path: Path, collector: Collector) -> Iterator[Client]:
    config = load(database_url=f"sqlite:///{tmp_path}/ruie.db", llm_base_url="http://llm.test/v1")
    engine = open_engine(config.database_url)
    migrate.upgrade(engine)
    yield Client(config, engine)
    engine.dispose()
