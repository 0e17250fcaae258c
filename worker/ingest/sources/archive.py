"""Zip archives: a source a member, the archive opened once for all of them."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, cast

from ruie.worker.ingest.documents import PIECE
from ruie.worker.ingest.sources.file_entry import Opened
from ruie.worker.ingest.sources.formats import UnreadableError


class Archive:
    """An archive that stays open from one member to the next: of a large one far away the list of
    members alone is megabytes. It is closed after the last member, and opened again if one is read
    once more."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._open = ExitStack()
        self._file: zipfile.ZipFile | None = None
        self._last = ""

    def members(self, wanted: Callable[[str], bool]) -> list[zipfile.ZipInfo]:
        """Those to be read, in the archive's own order. Raises OSError, BadZipFile."""
        every = self._opened_file().infolist()
        found = [i for i in every if wanted(i.filename) and not i.filename.startswith("__MACOSX/")]
        self._last = found[-1].filename if found else ""
        return found

    def close(self) -> None:
        self._file = None
        self._open.close()

    @contextmanager
    def member(self, name: str) -> Iterator[BinaryIO]:
        """One member's bytes. Raises OSError, BadZipFile, `UnreadableError`."""
        try:
            try:
                member = self._opened_file().open(name)
            except (KeyError, NotImplementedError, RuntimeError) as error:
                # it is gone, or packed in a way that is not known, or has a password
                raise UnreadableError(str(error)) from error
            with member:
                yield cast(BinaryIO, member)
        except BaseException:
            self.close()  # a broken connection is not taken for the next member
            raise
        if name == self._last:
            self.close()

    def _opened_file(self) -> zipfile.ZipFile:
        if self._file is None:
            with ExitStack() as opening:
                stream = opening.enter_context(self._opened())
                if not stream.seekable():
                    spool = opening.enter_context(tempfile.TemporaryFile())
                    shutil.copyfileobj(stream, spool, PIECE)
                    stream = cast(BinaryIO, spool)
                self._file = opening.enter_context(zipfile.ZipFile(stream))
                self._open = opening.pop_all()
        return self._file


class Archives:
    """The archives of one call: of those that were listed the last one stays open for its first
    member, so that thousands of them do not."""

    def __init__(self) -> None:
        self._listed: Archive | None = None

    def one(self, opened: Opened) -> Archive:
        """An archive that is about to be listed."""
        if self._listed is not None:
            self._listed.close()
        self._listed = Archive(opened)
        return self._listed
