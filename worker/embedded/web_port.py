"""Where `ruie web` listens, and where it does beside what has that port already."""

from __future__ import annotations

import importlib.util
import socket

PORT = 8484
TRIED = 50
"""Ports from `PORT` on, of which `ruie up` takes the first that is free."""


def web_is_installed() -> bool:
    """Whether the extra `web` is."""
    return all(importlib.util.find_spec(name) for name in ("jinja2", "starlette", "uvicorn"))


def first_free(port: int = PORT) -> int:
    """The first port of the loopback interface, from `port` on, that is free; 0: none of these."""
    for tried in range(port, min(port + TRIED, 65_536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", tried))
            except OSError:
                continue
            return tried
    return 0
