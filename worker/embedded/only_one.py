"""One `ruie up` in a folder at a time: a file that is locked as long as the process lives.

The operating system gives the lock back however the process ends, so that a file that is left over
says nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ruie.errors import UsageError
from ruie.private import private_folder

NAME = "up.lock"
TRIES, PAUSE_S = 5, 0.05
LONGEST = 4096
"""Bytes of the file that are read."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that runs the parts of ruie in a folder. started: seconds since the epoch."""

    command: str
    pid: int
    started: float


@contextmanager
def only_one(home: Path, command: str) -> Iterator[None]:
    """Hold the folder as long as this lasts. Raises `UsageError` where another process holds it,
    with what it is and what to do."""
    private_folder(home)
    descriptor = os.open(home / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _locked_at_last(descriptor):
            raise _taken(home, _read(descriptor))
        told = json.dumps(asdict(Running(command, os.getpid(), time.time())))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, told.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def running_in(home: Path) -> Running | None:
    """The process that holds the folder; None where none does, or it cannot be known."""
    try:
        descriptor = os.open(home / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return None if _locked(descriptor, fcntl.LOCK_SH) else _read(descriptor)
    finally:
        os.close(descriptor)


def _locked_at_last(descriptor: int) -> bool:
    """Several tries: who asks `running_in` has a lock for a moment too."""
    for _ in range(TRIES):
        if _locked(descriptor, fcntl.LOCK_EX):
            return True
        time.sleep(PAUSE_S)
    return False


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> Running | None:
    """What the holder has written; None where it has not yet."""
    try:
        told = json.loads(os.pread(descriptor, LONGEST, 0))
        return Running(str(told["command"]), int(told["pid"]), float(told["started"]))
    except (ValueError, KeyError, TypeError):
        return None


def _taken(home: Path, holder: Running | None) -> UsageError:
    who = "Another process"
    end = "end it first"
    if holder is not None:
        since = time.strftime("%H:%M", time.localtime(holder.started))
        who = f"`{holder.command}` (pid {holder.pid}, since {since})"
        end = f"end it with Ctrl-C there, or `kill {holder.pid}`"
    return UsageError(
        f"{who} already runs in {home}.",
        f"Use what runs: `ruie enqueue` adds work, `ruie status` shows it. Or {end};"
        " another one beside it needs another RUIE_HOME.",
    )
