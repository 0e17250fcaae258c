"""Files of annotated data as bytes and lines, with gzip or without."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ruie import named_files
from ruie.errors import AnnotationError
from ruie.expansion import gunzipped
from ruie.formats.row import Place, Problem

NOT_UTF8 = ("this is not UTF-8", "Save the file as UTF-8.")


LONGEST_LINE = 64 << 20
"""Bytes of a line."""


def gzipped(path: Path) -> bool:
    """Whether the name says that it is compressed, in any case."""
    return path.suffix.lower() == ".gz"


def beside(path: Path, suffix: str) -> Path | None:
    """The file of the same name with another suffix, in any case, if there is one."""
    for cased in (suffix, suffix.upper(), suffix.capitalize()):
        if (other := path.with_suffix(cased)).exists():
            return other
    return None


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, decompressed if its name ends in `.gz`. Raises `AnnotationError` if that fails,
    also while the block reads it."""
    try:
        with named_files.opened(path) as stream:
            yield gunzipped(stream) if gzipped(path) else stream
    except FileNotFoundError:
        raise AnnotationError(f"There is no file {path}.", "Check the path.") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise AnnotationError(
            f"{path} cannot be read: {reason}.", "It must be readable, and whole if it is gzipped."
        ) from None


def content(path: Path) -> bytes:
    """All of a file. Raises `AnnotationError`."""
    with opened(path) as stream:
        data = stream.read(named_files.LONGEST + 1)
    if len(data) > named_files.LONGEST:
        raise AnnotationError(
            f"{path} has more than {named_files.LONGEST:,} bytes.", "Split it into several files."
        )
    return data


def lines(path: Path) -> Iterator[tuple[int, str | Problem]]:
    """Each line with its number, from 1: without its line end (LF or CRLF) and a byte order mark;
    or what is wrong with it. Raises `AnnotationError`."""
    with opened(path) as stream:
        for number, line in enumerate(iter(partial(stream.readline, LONGEST_LINE), b""), start=1):
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                raise AnnotationError(
                    f"{path}, line {number}: it has more than {LONGEST_LINE:,} bytes.",
                    "A line holds one row.",
                )
            try:
                yield number, line.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
            except UnicodeDecodeError:
                yield number, Problem(Place(str(path), number), *NOT_UTF8)
