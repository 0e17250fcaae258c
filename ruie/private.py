"""Files and folders that no other user of the machine may read: they hold documents and secrets.

What a user asks for by name (exports, reviews, results of an evaluation) is written as the user's
umask says: it is made to be passed on. What ruie keeps for itself is for its user alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE, S_ISDIR, S_ISREG

FOLDER, FILE = 0o700, 0o600
OTHERS = 0o007

OURS = ("*.log", "*.sock", "ruie.db", "ruie.db-*", "up.lock")
"""What ruie puts into such a folder."""


def private_folder(path: Path) -> Path:
    """The folder, made if there is none, with the files of ours in it, as this user's alone.

    A folder that was there is closed to others if it holds nothing but what is ours: one that the
    user has chosen for other things too stays as it is, and the files of ours in it are closed.
    """
    path.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    ours = [entry for pattern in OURS for entry in path.glob(pattern)]
    folders = [entry for entry in path.iterdir() if entry.is_dir() and not entry.is_symlink()]
    for file in ours:
        _close(file, FILE)
    if all(entry in ours or entry in folders for entry in path.iterdir()) and all(
        _all_ours(folder) for folder in folders
    ):
        _close(path, FOLDER)
        for folder in folders:
            private_folder(folder)
    return path


def private_file(path: Path) -> None:
    """Make the file if there is none; take what others may do with it away.

    A file without rights of others is as somebody wanted it, perhaps for a group, and stays so. A
    file that is there is never opened: closing it would drop the locks that this process holds on
    it, as POSIX has it, and SQLite's connections with them.
    """
    with suppress(OSError):  # it is there, or who opens it next says what is wrong
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE))
    for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
        _close(file, FILE)


def open_private(path: Path) -> int:
    """A file descriptor that appends to the file, which is this user's alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE)
    _close(path, FILE)
    return descriptor


def is_private(folder: Path) -> bool:
    """Whether no other user can reach what is in the folder."""
    status = folder.stat()
    return status.st_uid == os.getuid() and not S_IMODE(status.st_mode) & 0o077


def _all_ours(folder: Path) -> bool:
    return all(any(entry.match(pattern) for pattern in OURS) for entry in _inside(folder))


def _inside(folder: Path) -> Iterator[Path]:
    return (entry for entry in folder.rglob("*") if not entry.is_dir() or entry.is_symlink())


def _close(path: Path, mode: int) -> None:
    """Set the mode, unless the path is a link, another user's, or has no rights of others."""
    with suppress(OSError):
        status = path.lstat()
        kind = S_ISDIR if mode == FOLDER else S_ISREG
        if kind(status.st_mode) and S_IMODE(status.st_mode) & OTHERS:
            path.chmod(mode)
