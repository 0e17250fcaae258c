"""Zip archives: each member is a source; the archive is opened once for all of them."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, cast

from ruie.expansion import check_expansion
from ruie.worker.ingest.documents import READ_BYTES
from ruie.worker.ingest.refusal import UnreadableError
from ruie.worker.ingest.sources.archive_list import opened_zip
from ruie.worker.ingest.sources.file_entry import OpenStream


class Archive:
    """An archive that stays open from one member to the next: the list of members of a large,
    remote one is megabytes to read. It is closed after the last member, and opened again if one is
    read once more."""

    def __init__(self, open_stream: OpenStream) -> None:
        self._open_stream = open_stream
        self._resources = ExitStack()
        self._file: zipfile.ZipFile | None = None
        self._members: dict[str, list[zipfile.ZipInfo]] = {}
        self._last: tuple[str, int] | None = None

    def members(self, wanted: Callable[[str], bool]) -> list[tuple[zipfile.ZipInfo, int]]:
        """Those that are wanted, in the archive's order; each with the number of those before it
        that have the same name. Raises whatever the archive's damages make `zipfile` raise."""
        counted: Counter[str] = Counter()
        members = []
        for info in self._zip_file().infolist():
            name = info.filename
            if wanted(name) and not info.is_dir() and not name.startswith("__MACOSX/"):
                members.append((info, counted[name]))
            counted[name] += 1
        self._last = (members[-1][0].filename, members[-1][1]) if members else None
        return members

    def close(self) -> None:
        self._file = None
        self._resources.close()

    def __del__(self) -> None:
        self.close()  # where nothing was read, as when nothing has changed

    @contextmanager
    def member(self, name: str, before: int = 0) -> Iterator[BinaryIO]:
        """One member's bytes. before: members of the same name that come before it."""
        try:
            archive = self._zip_file()
            try:
                info = self._members[name][before]
                check_expansion(info.file_size, info.compress_size)
                stream = archive.open(info)
            except (LookupError, NotImplementedError, RuntimeError) as error:
                # it is gone, or compressed in an unknown way, or has a password
                gone = "it is no longer in the archive"
                raise UnreadableError(
                    gone if isinstance(error, LookupError) else str(error)
                ) from error
            with stream:
                yield cast(BinaryIO, stream)
        except BaseException:
            self.close()  # a broken connection is not used for the next member
            raise
        if (name, before) == self._last:
            self.close()

    def _zip_file(self) -> zipfile.ZipFile:
        if self._file is None:
            with ExitStack() as opening:
                stream = opening.enter_context(self._open_stream())
                if not stream.seekable():
                    spool = opening.enter_context(tempfile.TemporaryFile())
                    shutil.copyfileobj(stream, spool, READ_BYTES)
                    stream = cast(BinaryIO, spool)
                self._file = opening.enter_context(opened_zip(stream))
                self._members = {}
                for info in self._file.infolist():
                    self._members.setdefault(info.filename, []).append(info)
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
