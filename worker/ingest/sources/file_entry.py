"""A file before its format is known: where it is, and how to open it."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from io import BytesIO
from typing import BinaryIO, NamedTuple

from ruie.worker.ingest.refusal import UnreadableError, cause_of

OpenStream = Callable[[], AbstractContextManager[BinaryIO]]


class FileEntry(NamedTuple):
    """A file on disk or at a URL, an archive's member, or standard input.

    fingerprint: changes when the content does; "" where that cannot be known. size: bytes, 0 where
    unknown. listed: whether it was found in a folder or by a pattern, rather than named. lost:
    whether it stands for what could not be listed, so that reading it gives one refusal. refusal:
    why it is not read, if it is not to be.
    """

    name: str
    fingerprint: str
    size: int
    open: OpenStream
    listed: bool
    lost: bool = False
    refusal: str = ""


def lost_entry(name: str, what: str, error: Exception) -> FileEntry:
    """What stands for a folder, an archive or a file that was met and could not be looked at: the
    refusal has its name, and nothing counts as removed meanwhile."""
    open_stream = partial(_refuse, f"{what} ({cause_of(error, name)})")
    return FileEntry(name, "", 0, open_stream, listed=True, lost=True)


def _refuse(reason: str) -> AbstractContextManager[BinaryIO]:
    raise UnreadableError(reason)


def refused_entry(name: str, reason: str) -> FileEntry:
    """What stands for a file, or a link to a folder, that is not to be read."""
    return FileEntry(name, "", 0, lambda: nullcontext(BytesIO()), listed=True, refusal=reason)


_LIKE_A_BYTE = re.compile(r"\\(?=x(?:[89a-f][0-9a-f]|5c))")


def printable(raw: bytes) -> str:
    """A file's name as a database can hold it: bytes that are not UTF-8 as `\\xe9`. A name that is
    spelt so itself gets another one, since two files never have one name."""
    replaced = raw.decode("utf-8", "surrogateescape")
    escaped = _LIKE_A_BYTE.sub(r"\\x5c", replaced)
    return escaped.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class Access(NamedTuple):
    """What sources may lead to. hosts: those that are read although their addresses are not public.
    outside_links: whether a link in a folder may lead out of it."""

    hosts: tuple[str, ...] = ()
    outside_links: bool = False
