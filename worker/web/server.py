"""Runs the pages on a port, until a signal."""

from __future__ import annotations

import errno
import ipaddress
import re
import socket

import uvicorn

from ruie.errors import UnavailableError, UsageError
from ruie.settings import Settings
from ruie.worker.client import Client
from ruie.worker.web.app import build_app

STOP_S = 5
"""Seconds that requests in progress have to end in."""
TOKEN_LENGTH = 16
"""Characters of a token, at least: what is offered to a network is guessed at."""


class WebServer:
    """The pages on a port, which is open when this is made; they are given while `run` runs.

    port: 0 takes a free one. others: so many after it may be taken where it is in use. Raises
    `UsageError`, and `UnavailableError` where the port is taken.
    """

    def __init__(
        self,
        config: Settings,
        host: str,
        port: int,
        token: str = "",
        prefix: str = "",
        *,
        others: int = 0,
    ) -> None:
        _check(host, token)
        path = checked_prefix(prefix)
        self._client = Client(config)
        self._socket = _listen(host, port, others)
        taken = self._socket.getsockname()[1]
        self.url = f"http://{_shown(host)}:{taken}{path}/"
        app = build_app(config, self._client, token=token, prefix=path, port=taken)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                timeout_graceful_shutdown=STOP_S,
            )
        )

    def run(self) -> None:
        """Until SIGTERM, SIGINT or `stop`."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()
            self._client.close()

    def stop(self) -> None:
        """End soon; requests in progress are answered."""
        self._server.should_exit = True


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_prefix(prefix: str) -> str:
    """`/ruie` of `ruie/`, `/ruie/`. Raises `UsageError`."""
    bare = prefix.strip("/")
    if bare and not re.fullmatch(r"[\w.~-]+(/[\w.~-]+)*", bare, re.ASCII):
        raise UsageError(f"{prefix!r} is no path of an address.", "Give one like /ruie.")
    return f"/{bare}" if bare else ""


def _check(host: str, token: str) -> None:
    if not token and not is_loopback(host):
        raise UsageError(
            f"On {host} other machines reach these pages, so they need a token.",
            "Set RUIE_WEB_TOKEN or RUIE_WEB_TOKEN_FILE, or leave --host out.",
        )
    if token and len(token) < TOKEN_LENGTH:
        raise UsageError(
            f"The token has {len(token)} characters, too few.",
            f"Take at least {TOKEN_LENGTH}, such as those of `openssl rand -hex 16`.",
        )


def _listen(host: str, port: int, others: int) -> socket.socket:
    last = port + others if port else 0
    for tried in range(port, last + 1):
        try:
            return _bound(host, tried)
        except OSError as error:
            if tried < last and error.errno == errno.EADDRINUSE:
                continue
            raise UnavailableError(
                f"The pages cannot listen on {host}, port {tried}: {error.strerror or error}.",
                "Give another --port, or 0 for any that is free.",
            ) from None
    raise AssertionError("there is a port to try")


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(where)
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
