"""A file that somebody names, opened so that neither a device nor a pipe holds the program up.

A pipe, such as the `/dev/fd/63` that a shell makes of `<(zcat ...)`, is read; one to which nobody
writes is refused, and so is a device, which may have no end.
"""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO
from typing import BinaryIO

WAIT_S = 10.0
"""Seconds for which somebody is waited for who writes to a pipe."""
LONGEST = 256 << 20
"""Bytes of a file that is read as a whole."""


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


@contextmanager
def opened(path: str | Path) -> Iterator[BinaryIO]:
    """A file or a pipe to read from. Raises OSError, for a device and a folder too."""
    try:
        status = os.stat(path)  # noqa: PTH116  # a string or a path
    except ValueError:  # a path cannot have NUL
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
    if S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if S_ISBLK(status.st_mode) or (S_ISCHR(status.st_mode) and not _ends(path)):
        raise OSError("it is a device")
    if is_pipe(status):
        with opened_pipe(str(path)) as stream:
            yield stream
    else:
        with open(path, "rb") as stream:  # noqa: PTH123  # a string or a path
            yield stream


def content(path: str | Path, longest: int = LONGEST) -> bytes:
    """All of a file or a pipe. Raises OSError, also where it has more bytes than `longest`."""
    with opened(path) as stream:
        data = stream.read(longest + 1)
    if len(data) > longest:
        raise OSError(f"it has more than {longest:,} bytes")
    return data


def _ends(path: str | Path) -> bool:
    """Whether it is `/dev/null`, or where somebody types."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        return os.isatty(descriptor) or os.fstat(descriptor).st_rdev == os.makedev(1, 3)
    finally:
        os.close(descriptor)
