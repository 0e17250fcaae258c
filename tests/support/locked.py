"""A folder that this process may not read, whoever runs it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def shared_folder() -> Iterator[Path]:
    """A new folder that every user may read and write; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="ruie-shared-"))
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def locked(path: Path, mode: int = 0) -> Iterator[None]:
    """The mode of a file or folder is `mode` meanwhile, and this process is not root, which may
    read everything."""
    before, user = path.stat().st_mode, os.geteuid()
    path.chmod(mode)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(user)
        path.chmod(before)
