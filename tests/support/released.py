"""ruie as it was released: its wheel built from the history, installed where nothing of the
checkout is within reach."""

from __future__ import annotations

import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from support.commands import ROOT
from support.installed import FOLDERS, Environment, build

SOURCES = (*FOLDERS, "pyproject.toml", "README.md", "LICENSE", "NOTICE")


@dataclass(frozen=True)
class Release:
    """version: as `ruie --version` says it. revision: of its database. commit: which names itself
    the version, in `ruie/__init__.py` and in the changelog."""

    version: str
    revision: str
    commit: str


V0_2_0 = Release("0.2.0", "0011", "acda317ad2fa0f4471325e66bc8a19c2bb5f8e27")
"""No tag names it. Later commits have the same number and newer databases, and are listed as
unreleased."""
RELEASES = (V0_2_0,)
"""Those that can be upgraded from and gone back to, the newest last."""


def install(release: Release, folder: Path) -> Environment:
    """The release in an environment of its own, with the tests' own dependencies.

    Skips the test where the history does not go back so far."""
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", release.commit, *SOURCES],
        capture_output=True,
        check=False,
    )
    if archive.returncode:
        pytest.skip(f"no history of ruie {release.version} here: git fetch --unshallow")
    sources = folder / "sources"
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as packed:
        packed.extractall(sources, filter="data")
    wheel = build(sources, folder / "dist", "--wheel")
    environment = Environment.create(folder / "environment", folder)
    environment.add_dependencies()
    environment.pip_install("--no-index", "--no-deps", str(wheel))
    done = environment.run("ruie", "--version")
    assert done.stdout.split()[-1] == release.version, done.stderr
    return environment
