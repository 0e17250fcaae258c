"""A fleet that is upgraded and rolled back: one database, one Redis, processes of two versions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Engine, text
from support.audit import paid_twice
from support.corpus import SCHEMA
from support.fleet import PROGRAM, Process
from support.installed import Environment
from support.metered import MeteredEndpoint
from support.redis_keys import assert_keys_expire
from support.waiting import PATIENCE_S, wait_until

from ruie.db.engine import open_engine
from ruie.formats.writing import schema_text
from ruie.settings import load
from ruie.worker.embedded.redis_server import find_server
from ruie.worker.embedded.stack import free_port
from ruie.worker.embedded.supervised_process import Child
from ruie.worker.messages import QUEUE


@dataclass(frozen=True)
class Version:
    """What a version's command is called by. env: what it needs in the environment."""

    program: Sequence[str] = PROGRAM
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def installed(cls, environment: Environment) -> Self:
        """Of a virtual environment, from which the checkout cannot be seen."""
        python = str(environment.folder / "bin" / "python")
        return cls((python, "-m", "ruie.worker.cli"), {"PYTHONPATH": ""})


NEW = Version()
"""The checkout."""


class TwoVersions:
    """Everything on this machine. A context manager: nothing survives it."""

    def __init__(self, folder: Path, database_url: str, bundle: Path, llm: str, **more: object):
        self.folder = folder
        self._url = database_url
        self._redis, self._redis_url = _redis(folder)
        given = {
            "database_url": database_url,
            "redis_url": self._redis_url,
            "llm_base_url": llm,
            "bundle": bundle,
            "home": folder,
            **more,
        }
        names = {f"RUIE_{name.upper()}" for name in given}  # the older version refuses new ones
        environment = load(**given).environment()
        self._env = {name: value for name, value in environment.items() if name in names}
        self.processes: list[Process] = []
        self.figures: list[str] = []
        """What was measured, one line for each audit."""
        self._started = time.monotonic()
        (folder / "schema.yaml").write_text(schema_text(SCHEMA), encoding="utf-8")

    @cached_property
    def engine(self) -> Engine:
        return open_engine(self._url)

    def run(self, version: Version, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of a version to its end."""
        return subprocess.run(
            [*version.program, *arguments],
            cwd=self.folder,
            env={**os.environ, **self._env, **version.env},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def ruie(self, version: Version, *arguments: str) -> str:
        """The same of a command that succeeds; returns its standard output."""
        done = self.run(version, *arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def refused(self, version: Version, *arguments: str) -> str:
        """What a command says that meets a database of another version, or one in use."""
        done = self.run(version, *arguments)
        assert done.returncode == 4, done.stdout + done.stderr
        return done.stderr

    def enqueue(self, version: Version, corpus: Sequence[Mapping[str, str]], *more: str) -> str:
        """Enqueue documents; returns the job's id."""
        file = self.folder / "corpus.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in corpus), encoding="utf-8")
        return self.ruie(version, "enqueue", str(file), "--schema", "schema.yaml", *more)

    def start(self, version: Version, workers: int = 2) -> list[Process]:
        """A coordinator, and workers."""
        env = {**self._env, **version.env}
        commands = ["coordinator", *["worker"] * workers]
        started = [Process(name, self.folder, env, program=version.program) for name in commands]
        self.processes += started
        return started

    def stop(self) -> None:
        """As a service manager does: SIGTERM to all, and each ends in order."""
        alive = [process for process in self.processes if process.alive]
        for process in alive:
            os.kill(process.pid, signal.SIGTERM)
        assert {process.wait() for process in alive} <= {0}

    def measure(self, endpoint: MeteredEndpoint, lost_calls: int) -> None:
        """Add a line to the figures."""
        log = endpoint.log()
        documents = self.scalar("SELECT COUNT(*) FROM documents")
        self.figures.append(
            f"{time.monotonic() - self._started:.1f} s, {documents} documents, {len(log)} calls,"
            f" {paid_twice(log)} paid twice (at most {lost_calls}), load {os.getloadavg()[0]:.1f}"
        )

    def scalar(self, sql: str, **values: object) -> Any:
        with self.engine.connect() as conn:
            return conn.execute(text(sql), values).scalar()

    def kill(self) -> None:
        """`kill -9` of all processes."""
        for process in self.processes:
            if process.alive:
                process.kill()

    def stamp(self, revision: str) -> None:
        """Make the database, under those that work on it, another version's."""
        with self.engine.begin() as conn:
            conn.execute(text("UPDATE ruie_version SET version_num = :new"), {"new": revision})

    def done(self, job_id: str) -> int:
        """How many items of a job are done."""
        sql = "SELECT COUNT(*) FROM work_items WHERE job_id = :job AND state = 'done'"
        return int(self.scalar(sql, job=job_id))

    def queued(self) -> int:
        """How many messages lie in Redis, written by the version that ran last."""
        with Redis.from_url(self._redis_url) as client:
            lists = [
                key for key in client.scan_iter(f"ruie:{QUEUE}*") if client.type(key) == b"list"
            ]
            return sum(int(client.llen(key)) for key in lists)

    def still_open(self, job_id: str) -> int:
        """How many are not, at least: events that are found bring further ones."""
        sql = "SELECT COUNT(*) FROM work_items WHERE job_id = :job AND state <> 'done'"
        return int(self.scalar(sql, job=job_id))

    def until_done(self, job_id: str, many: int) -> None:
        """Until so many items are done; fails where a process of the fleet has ended."""
        self._until(lambda: self.done(job_id) >= many)

    def until_closed(self, job_id: str) -> None:
        state = "SELECT state FROM jobs WHERE id = :job"
        self._until(lambda: self.scalar(state, job=job_id) == "done")

    def _until(self, predicate: Callable[[], bool]) -> None:
        running = [process for process in self.processes if process.alive]

        def holds() -> bool:
            ended = [process.log.name for process in running if not process.alive]
            assert not ended, f"{', '.join(ended)}: of processes that have ended"
            return predicate()

        wait_until(holds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        try:
            if error is None:
                assert_keys_expire(self._redis_url)
        finally:
            self._redis.stop()
            if "engine" in self.__dict__:
                self.engine.dispose()


def _redis(folder: Path) -> tuple[Child, str]:
    """A server at a port: at a socket, as `ruie up` has it, version 0.2.0 finds none."""
    port = free_port()
    command = [
        *(str(find_server()), "--port", str(port), "--bind", "127.0.0.1"),
        *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
    ]
    child = Child("Redis", command, folder / "redis.log")
    url = f"redis://127.0.0.1:{port}/0"
    with Redis.from_url(url) as client:
        wait_until(partial(_answers, client))
    return child, url


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False
