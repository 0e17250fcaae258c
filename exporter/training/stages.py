"""A stage: a folder of a run, skipped as long as its inputs are unchanged.

`key.json` is written before the work and has its inputs: a killed stage resumes in its folder.
`stage.json` is written after it: the stage is finished.
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
from typing import Any, Protocol

from ruie.exporter.training import distributed
from ruie.files import flush, write_atomically

Figures = dict[str, Any]
"""What a stage measured: plain JSON values."""


class Progress(Protocol):
    """Called as a stage advances: `done` of `total` in `unit` (plural; "" for a share), with a note
    such as the current loss."""

    def __call__(self, done: float, total: float = 1, unit: str = "", note: str = "", /) -> None:
        """Report it."""


class Stage:
    """One step of a run."""

    def __init__(self, run: Path, name: str, version: int, inputs: Mapping[str, Any]) -> None:
        """inputs: the JSON values that decide its result, such as the keys of earlier stages."""
        self.name = name
        self.folder = run / name
        self._inputs = json.dumps({"stage": name, "version": version, **inputs}, sort_keys=True)
        self.key = hashlib.sha256(self._inputs.encode()).hexdigest()

    @property
    def figures(self) -> Figures | None:
        """Of the finished stage; None if it is not finished, or has other inputs."""
        finished = _read_json(self.folder / "stage.json")
        return finished["figures"] if finished and finished["key"] == self.key else None

    @property
    def _begun(self) -> bool:
        begun = _read_json(self.folder / "key.json")
        return begun is not None and begun["key"] == self.key

    def run(self, work: Callable[[Path], Figures], *, all_processes: bool = False) -> Figures:
        """The figures that are there already, else those that `work(folder)` returns.

        all_processes: every process of the run calls `work`, and the figures are those of rank 0;
        else rank 0 alone calls it.
        """
        if (figures := self.figures) is not None:
            return figures
        if distributed.rank():
            distributed.wait_for(lambda: self._begun)
            if all_processes:
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


def read_rows(path: Path) -> Iterator[list[Any]]:
    """What `append_rows` wrote; an incomplete line, left by a kill, is skipped."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    for line in lines:
        if line.startswith(b"[") and line.endswith(b"]"):
            with suppress(ValueError):
                yield json.loads(line)


def append_rows(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Append JSON arrays, one a line, to a file whose last line may be incomplete."""
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.writelines(json.dumps(row).encode() + b"\n" for row in rows)


def write_json(path: Path, value: object) -> None:
    """Write it completely or not at all."""
    write_atomically(path, (json.dumps(value, indent=1) + "\n").encode())


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def file_digest(path: Path) -> str:
    """SHA-256, hexadecimal, of a file, or of all files in a folder and their names.

    Caches do not count: `__pycache__` and folders whose names begin with a dot.
    """
    digest = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        folders = file.relative_to(path).parent.parts
        if any(name == "__pycache__" or name.startswith(".") for name in folders):
            continue
        digest.update(str(file.relative_to(path)).encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
