"""Named pipes, such as the `/dev/fd/63` that a shell makes of `<(zcat ...)`."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from stat import S_ISFIFO
from typing import BinaryIO

WAIT_S = 10.0
"""Seconds for which somebody is waited for who writes to a pipe."""


def is_pipe(stat: os.stat_result) -> bool:
    """Whether it is a pipe: opening it, as a file is opened, waits until somebody writes to it."""
    return S_ISFIFO(stat.st_mode)


@contextmanager
def opened_pipe(path: str) -> Iterator[BinaryIO]:
    """A pipe to read from. Raises OSError if nobody writes to it for `WAIT_S` seconds."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(1000 * WAIT_S):  # neither a byte nor an end
            raise OSError("it is a pipe to which nobody writes")
        os.set_blocking(descriptor, True)
        yield stream
