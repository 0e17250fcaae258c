"""A zip archive's list of members: one that cannot be understood does not cost the rest."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import BinaryIO

from ruie.worker.ingest.sources.file_entry import printable

_ENTRY = b"PK\x01\x02"
_SIZE = 46
_UTF8 = 0x800
_NEEDED = 20
"""The version that deflate needs; what a member is compressed with is told when it is opened."""


def opened_zip(stream: BinaryIO) -> zipfile.ZipFile:
    """The archive. A name that says it is UTF-8 and is not has its bytes as `\\xe9`, as names of
    files have. Raises whatever the archive's damages make `zipfile` raise."""
    try:
        return zipfile.ZipFile(stream)
    except (UnicodeDecodeError, NotImplementedError):
        stream.seek(0)
    mending = _Mending(stream)
    archive = zipfile.ZipFile(mending)
    mending.listing = False
    for number, info in enumerate(archive.infolist()):
        if number in mending.misnamed:  # `orig_filename` is compared with the member's own header
            info.filename = printable(info.orig_filename.encode("cp437"))
            mending.headers.add(info.header_offset)
    return archive


class _Mending(io.RawIOBase):
    """A stream of an archive whose list says only what `zipfile` can take, while it is read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.listing = True
        self.misnamed: set[int] = set()
        """Numbers of members."""
        self.headers: set[int] = set()
        """Where their own headers are, which say UTF-8 too."""

    def read(self, size: int = -1) -> bytes:
        at_header = bool(self.headers) and self._stream.tell() in self.headers
        data = self._stream.read(size)
        if at_header and len(data) > 7:
            return data[:7] + bytes([data[7] & ~(_UTF8 >> 8)]) + data[8:]
        if self.listing and data.startswith(_ENTRY):
            return self._mended(bytearray(data))
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def _mended(self, data: bytearray) -> bytes:
        at = number = 0
        self.misnamed = set()
        while data[at : at + 4] == _ENTRY and at + _SIZE <= len(data):
            lengths: tuple[int, ...] = struct.unpack_from("<HHH", data, at + 28)
            flags: int = struct.unpack_from("<H", data, at + 8)[0]
            if data[at + 6] > zipfile.MAX_EXTRACT_VERSION:
                data[at + 6] = _NEEDED
            if flags & _UTF8 and not _is_utf8(data[at + _SIZE : at + _SIZE + lengths[0]]):
                struct.pack_into("<H", data, at + 8, flags & ~_UTF8)
                self.misnamed.add(number)
            at += _SIZE + sum(lengths)
            number += 1
        return bytes(data)


def _is_utf8(raw: bytearray) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
