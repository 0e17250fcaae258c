"""Compressed data that expands without end is refused, whatever its format."""

from __future__ import annotations

import gzip
import io
from typing import Any, BinaryIO, cast

ALWAYS_READ = 64 << 20
"""Bytes that anything may expand to."""
MOST_EXPANDED = 200
"""Times its size that compressed data may expand to beyond that. Text becomes 3 to 30 times as
large; a file of zeros a thousand times."""


def check_expansion(plain: int, packed: int) -> None:
    """Raise `OSError` if so many bytes are too much to come of so many compressed ones."""
    if plain > ALWAYS_READ and plain > MOST_EXPANDED * packed:
        raise OSError(f"it expands to more than {MOST_EXPANDED} times its size, as no text does")


class Counted(io.RawIOBase):
    """A stream that counts what was read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self.size += len(data)
        return len(data)


class Expanding(io.RawIOBase):
    """What compressed data expands to. Reading raises `OSError` if that is too much."""

    def __init__(self, plain: BinaryIO, packed: Counted) -> None:
        self._plain = plain
        self._packed = packed
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._plain.read1(len(buffer))  # type: ignore[attr-defined]  # both have it
        buffer[: len(data)] = data
        self._size += len(data)
        check_expansion(self._size, self._packed.size)
        return len(data)


def gunzipped(stream: BinaryIO) -> BinaryIO:
    """What a stream of gzip expands to."""
    packed = Counted(stream)
    plain = gzip.GzipFile(fileobj=cast(BinaryIO, packed))
    return expanding(cast(BinaryIO, plain), packed)


def expanding(plain: BinaryIO, packed: Counted) -> BinaryIO:
    """`Expanding` with a buffer."""
    # `read1` returns what there is, without waiting for more: of a truncated file, all of it
    return cast(BinaryIO, io.BufferedReader(Expanding(plain, packed), 1 << 18))
