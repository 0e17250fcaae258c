"""Zip archives: each member is a source; the archive is opened once for all of them."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, cast

from ruie.worker.ingest.documents import READ_BYTES
from ruie.worker.ingest.sources.expansion import check_expansion
from ruie.worker.ingest.sources.file_entry import OpenStream
from ruie.worker.ingest.sources.formats import UnreadableError


class Archive:
    """An archive that stays open from one member to the next: the list of members of a large,
    remote one is megabytes to read. It is closed after the last member, and opened again if one is
    read once more."""

    def __init__(self, open_stream: OpenStream) -> None:
        self._open_stream = open_stream
        self._resources = ExitStack()
        self._file: zipfile.ZipFile | None = None
        self._last = ""

    def members(self, wanted: Callable[[str], bool]) -> list[zipfile.ZipInfo]:
        """Those that are wanted, in the archive's order. Raises OSError, BadZipFile."""
        members = [
            info
            for info in self._zip_file().infolist()
            if wanted(info.filename) and not info.filename.startswith("__MACOSX/")
        ]
        self._last = members[-1].filename if members else ""
        return members

    def close(self) -> None:
        self._file = None
        self._resources.close()

    @contextmanager
    def member(self, name: str) -> Iterator[BinaryIO]:
        """One member's bytes. Raises OSError, BadZipFile, `UnreadableError`."""
        try:
            try:
                member = self._zip_file().open(name)
            except (KeyError, NotImplementedError, RuntimeError) as error:
                # it is gone, or compressed in an unknown way, or has a password
                raise UnreadableError(str(error)) from error
            info = self._zip_file().getinfo(name)
            check_expansion(info.file_size, info.compress_size)
            with member:
                yield cast(BinaryIO, member)
        except BaseException:
            self.close()  # a broken connection is not used for the next member
            raise
        if name == self._last:
            self.close()

    def _zip_file(self) -> zipfile.ZipFile:
        if self._file is None:
            with ExitStack() as opening:
                stream = opening.enter_context(self._open_stream())
                if not stream.seekable():
                    spool = opening.enter_context(tempfile.TemporaryFile())
                    shutil.copyfileobj(stream, spool, READ_BYTES)
                    stream = cast(BinaryIO, spool)
                self._file = opening.enter_context(zipfile.ZipFile(stream))
                self._resources = opening.pop_all()
        return self._file


class Archives:
    """The archives of one call. Only the last that was listed stays open for its first member, so
    that thousands of them do not."""

    def __init__(self) -> None:
        self._listed: Archive | None = None

    def open(self, open_stream: OpenStream) -> Archive:
        """An archive whose members are to be listed."""
        if self._listed is not None:
            self._listed.close()
        self._listed = Archive(open_stream)
        return self._listed
