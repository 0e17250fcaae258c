"""Files on this machine: named, in a folder, by a pattern. What cannot be listed or looked at is an
entry of its own, so that it is refused by name and what is in it does not count as removed."""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISREG
from typing import cast

from ruie.errors import UsageError
from ruie.named_files import is_pipe, opened_pipe
from ruie.worker.ingest.sources import links
from ruie.worker.ingest.sources.file_entry import (
    FileEntry,
    OpenStream,
    lost_entry,
    printable,
    refused_entry,
)

Known = Callable[[str], bool]

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


def local(name: str, known: Known, outside: bool = False) -> Iterator[FileEntry]:
    """The files that a path or a pattern names. known: whether a file is of a known kind, by its
    name; others that cannot be looked at are no loss. outside: whether links in a folder may lead
    out of it. Raises `UsageError`."""
    try:
        status = os.stat(name)  # noqa: PTH116  # as it is written: "a/" is not "a" where a is a link
    except ValueError:  # a path cannot have NUL
        status = None
    except OSError as error:
        if error.errno not in _ABSENT and not glob.has_magic(name):
            reason = error.strerror or error
            raise UsageError(f"{_printable(name)} cannot be read: {reason}.", "Check it.") from None
        status = None
    if status is None:
        yield from _matches(name, known, outside)
    elif S_ISDIR(status.st_mode):
        yield from _folder(str(Path(name)), known, outside)
    else:
        yield _file(str(Path(name)), status, listed=False)


def _folder(folder: str, known: Known, outside: bool) -> Iterator[FileEntry]:
    """Every file below, sorted. Strings rather than paths: there may be a million."""
    lost: list[OSError] = []
    files = []
    for parent, refused, names in links.walk(folder, outside, lost.append):
        above = parent.rstrip("/")
        files += [f"{above}/{name}" for name in names]
        for name in refused:
            reason = links.refusal_of_folder(_printable(folder))
            yield refused_entry(_printable(f"{above}/{name}"), reason)
    yield from _among(folder, sorted(files), known, outside)
    yield from _lost_folders(lost)


def _matches(pattern: str, known: Known, outside: bool) -> Iterator[FileEntry]:
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  # as written
    lost = _unlisted(pattern) if glob.has_magic(pattern) else []
    if not matches and not lost:
        raise UsageError(f"There is no file {_printable(pattern)}.", "Check the path.")
    found = [path for path in matches if os.path.exists(path)]  # noqa: PTH110  # as written
    yield from _among(links.base_of(pattern), found, known, outside)
    for path in matches:
        if not _exists_or_turns_round(path):
            yield from _listed(path, known)
    yield from _lost_folders(lost)


def _exists_or_turns_round(path: str) -> bool:
    """Whether there is a file, or `**` came there by links that lead back."""
    try:
        os.stat(path)  # noqa: PTH116  # a string, as it is written
    except OSError as error:
        return error.errno == errno.ELOOP
    return True


def _among(folder: str, paths: list[str], known: Known, outside: bool) -> Iterator[FileEntry]:
    for path, reason in links.sorted_out(folder, paths, outside, known):
        if reason:
            yield refused_entry(_printable(path), reason)
        else:
            yield from _listed(path, known)


def _listed(path: str, known: Known) -> Iterator[FileEntry]:
    try:
        status = os.stat(path)  # noqa: PTH116  # a string: there may be a million
    except OSError as error:
        # it vanished, is a link to nothing, or its folder may be listed but not entered
        if known(path):
            yield lost_entry(_printable(path), "it was listed, but is not to be found", error)
        return
    if S_ISREG(status.st_mode):
        yield _file(path, status, listed=True)


def _file(path: str, status: os.stat_result, *, listed: bool) -> FileEntry:
    if S_ISBLK(status.st_mode) or (S_ISCHR(status.st_mode) and not _is_terminal(path)):
        raise UsageError(f"{_printable(path)} is a device.", "Name a file, a folder or a pipe.")
    regular = S_ISREG(status.st_mode)
    fingerprint = f"{status.st_size}-{status.st_mtime_ns}" if regular else ""
    open_stream = cast(OpenStream, partial(open, path, "rb"))
    if is_pipe(status):
        open_stream = partial(opened_pipe, path)
    return FileEntry(_printable(path), fingerprint, status.st_size, open_stream, listed)


def _is_terminal(path: str) -> bool:
    """Whether it is where somebody types, which `/dev/stdin` may be."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)


def _lost_folders(errors: list[OSError]) -> Iterator[FileEntry]:
    by_name = {_printable(str(Path(error.filename))): error for error in errors}
    for name, error in sorted(by_name.items()):
        yield lost_entry(name, "the folder cannot be listed", error)


def _unlisted(pattern: str) -> list[OSError]:
    """The errors of the folders that a pattern had to list: `glob` passes over them in silence."""
    lost: list[OSError] = []
    parts = pattern.split("/")
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    for depth in range(first, len(parts)):
        above = "/".join(parts[:depth]) + "/" if depth else ""
        folders = glob.glob(above, recursive=True) if above else ["."]  # noqa: PTH207  # as written
        for folder in folders:
            if "**" in parts[depth]:
                _try_to_walk(folder, lost)
            else:
                _try_to_list(folder, parts[depth], lost)
    return lost


def _try_to_walk(folder: str, lost: list[OSError]) -> None:
    """As `glob` does for `**`: into links, but not into hidden folders."""
    met = set()
    for parent, folders, _ in os.walk(folder, onerror=lost.append, followlinks=True):
        status = os.stat(parent)  # noqa: PTH116  # a string, as it is written
        if (status.st_dev, status.st_ino) in met:
            folders.clear()  # a link led back
            continue
        met.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not name.startswith(".")]


def _try_to_list(folder: str, part: str, lost: list[OSError]) -> None:
    try:
        if glob.has_magic(part):
            os.listdir(folder)  # noqa: PTH208  # as written
        elif part:
            os.stat(os.path.join(folder, part))  # noqa: PTH116, PTH118  # as written
    except OSError as error:
        if error.errno not in _ABSENT:
            error.filename = folder
            lost.append(error)


def _printable(name: str) -> str:
    return printable(os.fsencode(name))
