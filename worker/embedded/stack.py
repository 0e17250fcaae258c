"""The whole system on one machine: what is not configured is started, and ends with us."""

from __future__ import annotations

import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from ruie.db import migrate
from ruie.db.engine import open_engine, shown_url
from ruie.db.reader import prepare_reader
from ruie.errors import UnavailableError
from ruie.private import private_folder
from ruie.secrets import masked
from ruie.settings import Settings
from ruie.worker.embedded.redis_server import RedisServer
from ruie.worker.embedded.supervised_process import Child

LLM_START_S = 180.0


class Stack:
    """Redis, LLM, coordinator and worker, as a context manager. `settings` has the servers' URLs;
    report is called with a line about each part."""

    def __init__(self, config: Settings, report: Callable[[str], None] = lambda _: None) -> None:
        self.settings = config
        self._report = report
        self._children: list[Child] = []
        self._redis: RedisServer | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        config = self.settings
        private_folder(config.home)
        engine = open_engine(config.database_url)
        migrate.upgrade(engine)
        if problem := prepare_reader(engine, config.query_database_url):
            self._report(f"Warning: {problem}")
        if not config.redis_url:
            self._redis = RedisServer(config.home)
            self._children.append(self._redis.child)
            config = config.model_copy(update={"redis_url": self._redis.url})
        if not config.llm_base_url:
            llm = LocalLLM(config)
            self._children.append(llm.child)
            config = with_endpoint(config, llm.url())
        self.settings = config
        environment = config.environment()
        for name in ("coordinator", "worker"):
            command = [sys.executable, "-m", "ruie.worker.cli", name]
            self._children.append(Child(name, command, config.home / f"{name}.log", environment))
        self._report(f"Redis        {masked(config.redis_url)}")
        self._report(f"LLM          {config.llm_endpoint}")
        self._report(f"database     {shown_url(engine)}")
        self._report(f"logs         {config.home}/")
        if config.metrics_port:
            address = f"http://{config.metrics_address}:{config.metrics_port}/metrics"
            self._report(f"metrics      {address}")

    def check(self) -> None:
        """Raises `UnavailableError` if a part has ended."""
        for child in self._children:
            child.check()

    def stop(self) -> None:
        """End everything, the worker first: it releases what it has leased."""
        while self._children:
            self._children.pop().stop()
        if self._redis:
            self._redis.stop()


def free_port() -> int:
    """A port of the loopback interface that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LocalLLM:
    """The local model, as a context manager; it starts at once and ends with it."""

    def __init__(self, config: Settings) -> None:
        self._port = free_port()
        command = [sys.executable, "-m", "ruie.worker.embedded.llm", "--port", str(self._port)]
        self.child = Child("local LLM", command, config.home / "llm.log", config.environment())

    def url(self) -> str:
        """Wait until the model answers, and return its base URL. Raises `UnavailableError`."""
        url = f"http://127.0.0.1:{self._port}"
        deadline = time.monotonic() + LLM_START_S
        while time.monotonic() < deadline:
            self.child.check()
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=2):
                    return f"{url}/v1"
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise UnavailableError(
            f"The local LLM did not start within {LLM_START_S:g} s.", f"See {self.child.log}."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.stop()


@contextmanager
def local_llm(config: Settings) -> Iterator[Settings]:
    """Settings with an endpoint: the configured one, or a local LLM that lives as long as this."""
    if config.llm_base_url:
        yield config
        return
    with LocalLLM(config) as llm:
        yield with_endpoint(config, llm.url())


def with_endpoint(config: Settings, url: str) -> Settings:
    """Settings that name the local LLM, and still mean its output form."""
    return config.model_copy(update={"llm_base_url": url, "output_form": config.form})
