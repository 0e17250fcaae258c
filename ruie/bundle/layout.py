"""How a bundle comes to be on disk: written beside its place, then renamed whole."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ruie.bundle.manifest import FILES, MANIFEST, Manifest, file_card
from ruie.errors import BundleError


def check_target(directory: Path, *, overwrite: bool) -> None:
    """Raise `BundleError` unless a bundle may be written to `directory`.

    An empty directory may be used, a bundle only with `overwrite`, anything else never.
    """
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return
    if not directory.is_dir() or not (directory / MANIFEST).is_file():
        raise BundleError(
            f"{directory} exists and is not a bundle.", "Choose another --output or remove it."
        )
    if not overwrite:
        raise BundleError(f"{directory} exists.", "Replace it with --overwrite.")


@contextmanager
def staged(directory: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A new directory to write a bundle's files into; it takes its place when the block ends.

    If the block raises, or the process is killed in it, `directory` is as it was before. (An old
    bundle is moved aside just before the new one moves in: a kill between these two renames leaves
    no bundle there, which opening reports; it never leaves a mixed one.)
    """
    check_target(directory, overwrite=overwrite)
    directory = directory.absolute()
    directory.parent.mkdir(parents=True, exist_ok=True)
    _sweep(directory)
    partial = _beside(directory, "partial")
    partial.mkdir()
    try:
        yield partial
        for path in partial.iterdir():
            _flush(path)
        _flush(partial)
        _move_in(partial, directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Write the manifest, with the size and SHA-256 of the files in `folder`. Comes last."""
    sealed = manifest.sealed({name: file_card(folder / name) for name in FILES})
    (folder / MANIFEST).write_bytes(sealed.to_bytes())
    return sealed


def _beside(directory: Path, kind: str) -> Path:
    return directory.with_name(f".{directory.name}.{kind}-{os.getpid()}")


def _move_in(partial: Path, directory: Path) -> None:
    old = _beside(directory, "old")
    if directory.exists():
        directory.rename(old)
    try:
        partial.rename(directory)
    except OSError:
        if old.exists():
            old.rename(directory)
        raise
    _flush(directory.parent)
    shutil.rmtree(old, ignore_errors=True)


def _flush(path: Path) -> None:
    """To the disk, so that a rename never survives a power cut that its contents did not."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(directory: Path) -> None:
    """Remove what builds of this bundle that were killed left behind."""
    name = re.compile(re.escape(f".{directory.name}.") + r"(?:partial|old)-(\d+)")
    for path in directory.parent.iterdir():
        if (match := name.fullmatch(path.name)) and not _alive(int(match[1])):
            shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
