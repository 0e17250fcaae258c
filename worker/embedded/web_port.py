"""Where `ruie web` listens, and how `ruie up` learns of it."""

from __future__ import annotations

import importlib.util
import re
import time
from pathlib import Path

from ruie.worker.embedded.supervised_process import Child

PORT = 8484
NEXT_PORTS = 50
"""Ports after the one that was asked for, of which the first that is free may be taken."""
START_S = 60.0
_TOLD = re.compile(r"^Open (http://\S+) in a browser", re.MULTILINE)


def told(url: str) -> str:
    """What `ruie web` prints when it listens."""
    return f"Open {url} in a browser; Ctrl-C ends it."


def web_is_installed() -> bool:
    """Whether the extra `web` is."""
    return all(importlib.util.find_spec(name) for name in ("jinja2", "starlette", "uvicorn"))


def address(child: Child, written: int) -> str:
    """The address that `ruie web`, a child, has printed; "" where it did not start. written: bytes
    that its log had before."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        alive = child.alive
        if found := _TOLD.search(_since(child.log, written)):
            return found[1]
        if not alive:
            break
        time.sleep(0.05)
    return ""


def _since(log: Path, written: int) -> str:
    with log.open("rb") as file:
        file.seek(written)
        return file.read(65_536).decode("utf-8", "replace")
