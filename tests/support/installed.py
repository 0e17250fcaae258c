"""ruie as an installation has it: built from the checkout, in a virtual environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.commands import PYPROJECT, ROOT
from support.waiting import PATIENCE_S

PROJECT: dict[str, Any] = PYPROJECT["project"]
PACKAGES: list[str] = PYPROJECT["tool"]["setuptools"]["packages"]
FOLDERS = ("ruie", "db", "worker", "exporter")


def copy_sources(target: Path) -> Path:
    """Copy what a build needs, links as links: a build writes beside its sources."""
    target.mkdir()
    for name in FOLDERS:
        shutil.copytree(
            ROOT / name, target / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]):
        shutil.copy(ROOT / name, target)
    return target


def build(sources: Path, output: Path, *options: str) -> Path:
    """Build the wheel (by default from an sdist that is built first); returns the wheel's path."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), *options]
    done = subprocess.run([*command, str(sources)], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = output.glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Environment:
    """A virtual environment without pip, and the folder in which its commands run."""

    folder: Path
    cwd: Path

    @classmethod
    def create(cls, folder: Path, cwd: Path) -> Environment:
        venv.create(folder, symlinks=True)
        return cls(folder, cwd)

    @property
    def site_packages(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def pip_install(self, *arguments: str) -> None:
        """Install with the pip of the environment that runs the tests."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.folder / "bin/python")]
        command = [*pip, "install", "--quiet", *arguments]
        done = subprocess.run(command, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr

    def add_dependencies(self) -> None:
        """Let it import ruie's declared dependencies as they are installed for the tests, but
        neither what an extra brings nor the tests' own ruie."""
        linked = self.folder / "dependencies"
        linked.mkdir()
        for source in installed_files(PROJECT["dependencies"]):
            (linked / source.name).symlink_to(source)
        (self.site_packages / "dependencies.pth").write_text(f"{linked}\n")

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of its programs as a user does, whose own folder comes first for Python."""
        return subprocess.run(
            [str(self.folder / "bin" / program), *arguments],
            cwd=self.cwd,
            env={"PATH": os.environ["PATH"], "HOME": str(self.cwd), "PYTHONPATH": str(self.cwd)},
            text=True,
            capture_output=True,
            check=False,
            timeout=PATIENCE_S,
        )


def installed_files(requirements: Sequence[str]) -> set[Path]:
    """Files and folders of site-packages that belong to these requirements and what they need."""
    found: set[Path] = set()
    for name in closure(requirements):
        try:
            installed = distribution(name)
        except PackageNotFoundError:  # needed on another platform
            continue
        for file in installed.files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__"):  # `..` leads to bin/
                found.add(Path(str(installed.locate_file(top))))
    return found


def closure(requirements: Sequence[str]) -> set[str]:
    """The names of everything that an installation of these brings, as far as it is here."""
    found: set[str] = set()
    pending = [Requirement(line) for line in requirements]
    seen: set[str] = set()
    while pending:
        requirement = pending.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        found.add(canonicalize_name(requirement.name))
        try:
            lines = requires(requirement.name) or []
        except PackageNotFoundError:
            continue
        for line in lines:
            inner = Requirement(line)
            extras = [*requirement.extras, ""]
            if not inner.marker or any(inner.marker.evaluate({"extra": e}) for e in extras):
                pending.append(inner)
    return found
