"""Atomic writes of files and folders: readers see the old one or the new one, never half of it.

A new file or folder is written to a temporary folder beside its destination, flushed to the disk
and renamed. After an error the destination is unchanged. A killed process leaves its temporary
folder behind; the next one that writes to the same destination removes it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MANY_FILES = 64
"""From so many files on, one sync of the whole disk takes less time than one of each file."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as partial:
        partial.write_bytes(content)


@contextmanager
def replacing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """A path to write a file or a folder to, which is moved to `path` if the block ends well.

    The last part of the yielded path is that of `path`. The parent of `path` must exist. With
    `overwrite=False` a folder that is not empty stays as it is, and `FileExistsError` is raised.

    (Where a disk cannot exchange two folders in one step, the old one is moved aside just before
    the new one moves in. After a kill between the two, the next call moves the old one back.)
    """
    path = path.absolute()
    if path.exists() and not (path.is_file() or path.is_dir()):
        yield path  # a device or a pipe, such as /dev/stdout, is written to and stays what it is
        return
    _sweep(path)
    with _staging_folder(path) as staging:
        partial = staging / path.name
        yield partial
        flush(partial)
        _move_in(partial, path, overwrite=overwrite)
        flush_folder(path.parent)


def flush(path: Path) -> None:
    """Flush a file, or all files and folders in a folder, from the system's caches to the disk."""
    if not path.is_dir():
        _fsync(path)
        return
    inside = list(path.rglob("*"))
    if len(inside) > MANY_FILES:
        os.sync()
        return
    for each in (*inside, path):
        if each.is_dir():
            flush_folder(each)
        else:
            _fsync(each)


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk: without it a power cut may undo a rename."""
    try:
        _fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network disks cannot do it
            raise


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _move_in(partial: Path, path: Path, *, overwrite: bool) -> None:
    if not (partial.is_dir() and path.is_dir() and any(path.iterdir())):
        partial.replace(path)
        return
    if not overwrite:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    if _exchange(partial, path):
        return  # the old one is removed with the staging folder
    old = _old(partial.parent, path)
    path.rename(old)
    try:
        partial.rename(path)
    except OSError:
        old.rename(path)
        raise


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two folders in one step. False: this system or this disk cannot."""
    libc, here = ctypes.CDLL(None, use_errno=True), -100  # AT_FDCWD
    names = os.fsencode(a), os.fsencode(b)
    if hasattr(libc, "renameat2"):  # Linux
        result = libc.renameat2(here, names[0], here, names[1], 2)  # RENAME_EXCHANGE
    elif hasattr(libc, "renamex_np"):  # macOS
        result = libc.renamex_np(*names, 2)  # RENAME_SWAP
    else:
        return False
    if result == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(b))


def _old(staging: Path, path: Path) -> Path:
    return staging / f"{path.name}.old"


def _prefix(path: Path) -> str:
    return f".{path.name}.partial-"


@contextmanager
def _staging_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path`, locked while it is in use, removed at the end."""
    staging = Path(tempfile.mkdtemp(prefix=_prefix(path), dir=path.parent))
    descriptor = os.open(staging, os.O_RDONLY)
    try:
        with suppress(OSError):  # on a disk without locks no other process can sweep it either
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield staging
    finally:
        os.close(descriptor)
        shutil.rmtree(staging, ignore_errors=True)


def _sweep(path: Path) -> None:
    """Remove what killed processes left beside `path`; their locks ended with them."""
    for folder in list(path.parent.iterdir()):
        if folder.name.startswith(_prefix(path)):
            with suppress(OSError):  # still in use, or swept by another process
                _remove_unlocked(folder, path)


def _remove_unlocked(folder: Path, path: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not any(folder.iterdir()):
            return  # perhaps so new that its process has not locked it yet
        if _old(folder, path).exists() and not path.exists():
            _old(folder, path).rename(path)
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)
