"""The whole system on one machine: what is not configured is started, and ends with us."""

from __future__ import annotations

import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
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
from ruie.worker.embedded.supervised_process import GRACE_S, Child
from ruie.worker.embedded.web_port import address, web_is_installed

LLM_START_S = 180.0


class Stack:
    """Redis, LLM, coordinator and worker, as a context manager. `settings` has the servers' URLs;
    report is called with a line about each part. web_port: with the pages of `ruie web`, at the
    first port from this one on that is free; None: without."""

    def __init__(
        self,
        config: Settings,
        report: Callable[[str], None] = lambda _: None,
        web_port: int | None = None,
    ) -> None:
        self.settings = config
        self._web_port = web_port
        self._report = report
        self._children: list[Child] = []
        self._redis: RedisServer | None = None
        self._web: Child | None = None

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
        if not config.llm_base_url and config.llm_batches != "file":
            llm = LocalLLM(config)
            self._children.append(llm.child)
            config = with_endpoint(config, llm.url())
        self.settings = config
        environment = config.environment()
        self._start_command("coordinator", environment)
        # Its calls in flight have their time, and then it gives back what they were about.
        self._start_command("worker", environment, grace_s=config.stop_grace_s + GRACE_S)
        pages = self._start_web(environment)
        self._report(f"Redis        {masked(config.redis_url)}")
        self._report(f"LLM          {config.llm_endpoint or 'files: `ruie batch write`'}")
        self._report(f"database     {shown_url(engine)}")
        if self._web_port is not None:
            self._report(f"pages        {pages()}")
        self._report(f"logs         {config.home}/")
        if config.metrics_port:
            host = config.metrics_address
            host = f"[{host}]" if ":" in host else host
            self._report(f"metrics      http://{host}:{config.metrics_port}/metrics")

    def _start_command(
        self, name: str, environment: Mapping[str, str], *options: str, grace_s: float = GRACE_S
    ) -> Child:
        command = [sys.executable, "-m", "ruie.worker.cli", name, *options]
        log = self.settings.home / f"{name}.log"
        self._children.append(Child(name, command, log, environment, grace_s))
        return self._children[-1]

    def _start_web(self, environment: Mapping[str, str]) -> Callable[[], str]:
        """Start the pages, if they are wanted. Gives what waits until they answer, and then says
        where, or why not."""
        if self._web_port is None or not web_is_installed():
            return lambda: "not installed: pip install 'ruie[web]'"
        log = self.settings.home / "web.log"
        written = log.stat().st_size if log.exists() else 0
        options = ("--port", str(self._web_port), "--next-port")
        self._web = child = self._start_command("web", environment, *options)
        return lambda: address(child, written) or f"did not start: see {log}"

    def check(self) -> None:
        """Raises `UnavailableError` if a part has ended. The pages may: the work goes on."""
        for child in self._children:
            if child is not self._web:
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
