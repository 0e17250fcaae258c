"""Writing a bundle to disk: whole or not at all, and never over anything but a bundle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ruie.bundle.manifest import FILES, MANIFEST, Manifest, file_card
from ruie.errors import BundleError
from ruie.files import replacing


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

    If the block raises, or the process is killed in it, `directory` is as it was before. Raises
    `BundleError` where `check_target` does, before the block and after it.
    """
    check_target(directory, overwrite=overwrite)
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(directory, overwrite=overwrite) as partial:
            partial.mkdir()
            yield partial
    except FileExistsError:
        check_target(directory, overwrite=overwrite)
        raise


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Write the manifest, with the size and SHA-256 of the files in `folder`: the last step."""
    sealed = manifest.sealed({name: file_card(folder / name) for name in FILES})
    (folder / MANIFEST).write_bytes(sealed.to_bytes())
    return sealed
