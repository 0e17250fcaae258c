"""A fleet of real processes for acceptance tests: Redis, coordinators, workers, an endpoint."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis
from support.redis_keys import assert_keys_expire
from support.waiting import PATIENCE_S, wait_until

from ruie.db import migrate
from ruie.db.engine import open_engine
from ruie.settings import Settings, load
from ruie.worker.client import Client
from ruie.worker.embedded.redis_server import RedisServer

PROGRAM = (sys.executable, "-m", "ruie.worker.cli")
"""The command, as it is in the checkout."""


class Process:
    """One of our commands in a process group of its own, to be killed with all its children.
    arguments: default, the command alone. run: what stands before it, as `ip netns exec`."""

    def __init__(
        self,
        command: str,
        folder: Path,
        env: Mapping[str, str],
        arguments: Sequence[str] = (),
        program: Sequence[str] = PROGRAM,
        run: Sequence[str] = (),
    ) -> None:
        self.command = command
        self.who = command
        self.frozen = False
        self.log = folder / f"{command}-{len(list(folder.glob('*.log')))}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*run, *program, *(arguments or (command,))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env},
                cwd=folder,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def output(self) -> str:
        """All it has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """`kill -9` of the process and all its children at once."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP it and all its children; `thaw` lets them continue."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)
        self.frozen = False

    def terminate(self, timeout_s: float = PATIENCE_S) -> int:
        """SIGTERM to the main process, as a service manager does; returns the exit code."""
        self._process.terminate()
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Until it has ended; returns the exit code."""
        return self._process.wait(timeout_s)


class Fleet:
    """Everything on this machine, against one database. A context manager: nothing survives it."""

    def __init__(self, folder: Path, database_url: str, bundle: Path, llm: str, **more: object):
        self.folder = folder
        self.redis = RedisServer(folder)
        self.settings: Settings = load(
            **{
                "database_url": database_url,
                "redis_url": self.redis.url,
                "llm_base_url": llm,
                "bundle": bundle,
                "home": folder,
                "lease_s": 30.0,
                "dispatch_s": 30.0,
                "concurrency": 1,
                "batch_size": 8,
                **more,
            }
        )
        engine = open_engine(database_url)
        migrate.upgrade(engine)
        self.client = Client(self.settings, engine)
        self.processes: list[Process] = []

    def start(self, command: str, *arguments: str, **env: str) -> Process:
        """Start one of our commands; `env` is added to its environment."""
        return self._start(command, env, arguments)

    def _start(
        self,
        command: str,
        env: Mapping[str, str],
        arguments: Sequence[str] = (),
        run: Sequence[str] = (),
    ) -> Process:
        settings = {**self.settings.environment(), **env}
        process = Process(command, self.folder, settings, (command, *arguments), run=run)
        self.processes.append(process)
        return process

    def ruie(self, *arguments: str, **env: str) -> str:
        """Run a command to its end; returns its standard output. `env` is added to its
        environment."""
        done = subprocess.run(
            [*PROGRAM, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.settings.environment(), **env},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def restart_redis(self) -> None:
        """`kill -9` the server and start an empty one at the same address."""
        with Redis.from_url(self.redis.url) as client:
            os.kill(int(client.info("server")["process_id"]), signal.SIGKILL)
        self.redis.stop()
        self.redis = RedisServer(self.folder, self.redis.socket)

    def wait_done(self, job_id: str, timeout_s: float = PATIENCE_S) -> None:
        wait_until(lambda: self.client.progress(job_id).state == "done", timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self.processes:
            if process.alive:
                process.kill()
            if error is not None:
                print(f"--- {process.log.name}\n{process.output()[-3000:]}")
        try:
            if error is None:
                assert_keys_expire(self.redis.url)
        finally:
            self.redis.stop()
            self.client.engine.dispose()
