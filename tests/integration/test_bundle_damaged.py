"""A bundle of which something is damaged, missing or of another version is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ruie.bundle import Bundle
from ruie.bundle.manifest import FILES, FORMAT_VERSION, MANIFEST, Manifest
from ruie.errors import BundleError


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("where", [0.0, 0.5, 1.0])
def test_one_flipped_byte_is_noticed(copied: Path, name: str, where: float) -> None:
    file = copied / name
    raw = bytearray(file.read_bytes())
    raw[int(where * (len(raw) - 1))] ^= 1
    file.write_bytes(raw)
    with pytest.raises(BundleError, match=name.replace(".", r"\.")) as raised:
        Bundle.open(copied)
    assert raised.value.hint


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        Bundle.open(copied)


def test_a_cut_file_is_named(copied: Path) -> None:
    file = copied / "index.faiss"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(BundleError, match=r"index\.faiss is damaged"):
        Bundle.open(copied)


def test_another_format_version_is_refused(copied: Path) -> None:
    file = copied / MANIFEST
    manifest = Manifest.from_bytes(file.read_bytes(), file)
    later = manifest.model_copy(update={"format_version": FORMAT_VERSION + 1})
    file.write_bytes(later.sealed(manifest.files).to_bytes())
    with pytest.raises(BundleError, match="format version"):
        Bundle.open(copied)


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_what_is_no_bundle_is_named(tmp_path: Path, folder: str) -> None:
    with pytest.raises(BundleError, match="bundle") as raised:
        Bundle.open(tmp_path / folder)
    assert "ruie bundle build" in raised.value.hint
