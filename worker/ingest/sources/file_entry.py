"""A file before its format is known: where it is, and how to open it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import BinaryIO, NamedTuple

from ruie.worker.ingest.refusal import UnreadableError, cause_of

OpenStream = Callable[[], AbstractContextManager[BinaryIO]]


class FileEntry(NamedTuple):
    """A file on disk or at a URL, an archive's member, or standard input.

    fingerprint: changes when the content does; "" where that cannot be known. size: bytes, 0 where
    unknown. listed: whether it was found in a folder or by a pattern, rather than named. lost:
    whether it stands for what could not be listed, so that reading it gives one refusal.
    """

    name: str
    fingerprint: str
    size: int
    open: OpenStream
    listed: bool
    lost: bool = False


def lost_entry(name: str, what: str, error: Exception) -> FileEntry:
    """What stands for a folder, an archive or a file that was met and could not be looked at: the
    refusal has its name, and nothing counts as removed meanwhile."""
    open_stream = partial(_refuse, f"{what} ({cause_of(error, name)})")
    return FileEntry(name, "", 0, open_stream, listed=True, lost=True)


def _refuse(reason: str) -> AbstractContextManager[BinaryIO]:
    raise UnreadableError(reason)
