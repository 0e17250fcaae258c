"""A file before its format is known: where it is, and how to open it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import BinaryIO, NamedTuple

OpenStream = Callable[[], AbstractContextManager[BinaryIO]]


class FileEntry(NamedTuple):
    """A file on disk or at a URL, an archive's member, or standard input.

    fingerprint: changes when the content does; "" where that cannot be known. size: bytes, 0 where
    unknown. listed: whether it was found in a folder or by a pattern, rather than named. refusal:
    why it is not read, if it is not to be.
    """

    name: str
    fingerprint: str
    size: int
    open: OpenStream
    listed: bool
    refusal: str = ""


class Access(NamedTuple):
    """What sources may lead to. hosts: those that are read although their addresses are not public.
    outside_links: whether a link in a folder may lead out of it."""

    hosts: tuple[str, ...] = ()
    outside_links: bool = False
