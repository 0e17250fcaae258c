"""A stage: a folder of a run, skipped while what it was made from is unchanged.

`key.json` is written before the work and names its inputs: a killed stage goes on in its folder.
`stage.json` is written after it: the stage is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ruie.exporter.training import distributed
from ruie.files import flush, write_atomically

Figures = dict[str, Any]
"""What a stage measured: plain JSON values."""


class Stage:
    """One step of a run. `inputs`: JSON values that decide its result, keys of others included."""

    def __init__(self, run: Path, name: str, version: int, inputs: Mapping[str, Any]) -> None:
        self.name = name
        self.folder = run / name
        told = json.dumps({"stage": name, "version": version, **inputs}, sort_keys=True)
        self.key = hashlib.sha256(told.encode()).hexdigest()
        self._inputs = told

    @property
    def figures(self) -> Figures | None:
        """Of the finished stage; None if it is not finished, or was made from other inputs."""
        done = _read(self.folder / "stage.json")
        return done["figures"] if done and done["key"] == self.key else None

    @property
    def _begun(self) -> bool:
        known = _read(self.folder / "key.json")
        return known is not None and known["key"] == self.key

    def run(self, work: Callable[[Path], Figures], *, together: bool = False) -> Figures:
        """The figures: those of before, or of `work`, which gets the folder to write into.

        together: every process of the run does the work, and the first one's figures count;
        else the first one does it alone.
        """
        if (known := self.figures) is not None:
            return known
        if distributed.rank():
            distributed.wait_for(lambda: self._begun)
            if together:
                work(self.folder)
            distributed.wait_for(lambda: self.figures is not None)
            return self.figures or {}
        if not self._begun:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            write_json(
                self.folder / "key.json", {"key": self.key, "inputs": json.loads(self._inputs)}
            )
        started = time.monotonic()
        figures = work(self.folder)
        figures["seconds"] = round(time.monotonic() - started, 1)
        flush(self.folder)  # else a power cut may leave stage.json and not what it stands for
        write_json(self.folder / "stage.json", {"key": self.key, "figures": figures})
        return figures


def stored(path: Path) -> Iterator[list[Any]]:
    """What `append` wrote; a line that a kill tore counts for nothing."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    for line in lines:
        if line.startswith(b"[") and line.endswith(b"]"):
            with suppress(ValueError):
                yield json.loads(line)


def append(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Add JSON arrays, one a line, to a file whose last line may be torn."""
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.writelines(json.dumps(row).encode() + b"\n" for row in rows)


def write_json(path: Path, value: object) -> None:
    """Written whole or not at all."""
    write_atomically(path, (json.dumps(value, indent=1) + "\n").encode())


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def file_digest(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder and their names, hexadecimal.

    Caches do not count: `__pycache__`, and what is in folders whose names begin with a dot.
    """
    whole = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        folders = file.relative_to(path).parent.parts
        if any(name == "__pycache__" or name.startswith(".") for name in folders):
            continue
        whole.update(str(file.relative_to(path)).encode())
        with file.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()
