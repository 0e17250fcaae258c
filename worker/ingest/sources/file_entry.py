"""Where bytes are, and how to get at them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import BinaryIO, NamedTuple

Opened = Callable[[], AbstractContextManager[BinaryIO]]


class Place(NamedTuple):
    """A file or the like. fingerprint: changes when the content does; "" where nobody can know.
    size: bytes; 0 likewise. found: in a folder or by a pattern, rather than named."""

    name: str
    fingerprint: str
    size: int
    opened: Opened
    found: bool
