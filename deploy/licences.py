"""Lists what an installation of ruie without extras brings, each with its licence.

python deploy/licences.py > deploy/licences.md

Read from the installed distributions: run it where `constraints.txt` is installed.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
HEAD = """# Licences

What an installation of ruie without extras brings, and so the image of `deploy/Dockerfile`; made by
`deploy/licences.py`. Each has its licence's text in it. The versions are in `constraints.txt`.

| distribution | licence |
|---|---|
"""
SPDX = {
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Other ways in which distributions write them."""


def dependencies(requirements: Iterable[str]) -> dict[str, PackageMetadata]:
    """The distributions that these requirements bring here, by name."""
    found: dict[str, PackageMetadata] = {}
    pending, seen = [Requirement(line) for line in requirements], set()
    while pending:
        requirement = pending.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        try:
            found[canonicalize_name(requirement.name)] = metadata(requirement.name)
        except PackageNotFoundError:  # needed on another platform
            continue
        extras = [*requirement.extras, ""]
        for inner in map(Requirement, requires(requirement.name) or []):
            if not inner.marker or any(inner.marker.evaluate({"extra": e}) for e in extras):
                pending.append(inner)
    return dict(sorted(found.items()))


def licence(of: PackageMetadata) -> str:
    """Its licence as it states it, "" if it states none."""
    if "License-Expression" in of:
        return of["License-Expression"]
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in of.get_all("Classifier") or ()
        if text.startswith("License ::") and not text.endswith("OSI Approved")
    ]
    free = of["License"] if "License" in of else ""  # noqa: SIM401  # a message, not a dict
    stated = classifiers or [line for line in free.splitlines()[:1] if line]
    return " AND ".join(SPDX.get(name, name) for name in stated)


def table(requirements: Iterable[str]) -> str:
    """The list in Markdown."""
    rows = (f"| {name} | {licence(of)} |\n" for name, of in dependencies(requirements).items())
    return HEAD + "".join(rows)


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    sys.stdout.write(table(project["dependencies"]))
