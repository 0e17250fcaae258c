"""Symbolic links in a folder whose files are read.

A folder may come from others: an archive that was unpacked, a shared disk. A link in it that leads
out would send files of this machine to the LLM. Such a link is refused by name, unless the settings
allow it. What a link finds within the folder is read once, where it lies.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from ruie.db.jobs import NewInputError
from ruie.worker.ingest.documents import DocumentOrError
from ruie.worker.ingest.sources.formats import Reader
from ruie.worker.ingest.sources.mapping import ColumnMapping

Errors = Callable[[OSError], object]


def walk(
    folder: str, outside: bool, onerror: Errors | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """As `os.walk`: each folder with its links to folders outside and its files.

    outside: whether to go into folders outside too, each of them once.
    """
    root, seen = os.path.realpath(folder), set[str]()
    for parent, folders, names in os.walk(folder, onerror=onerror, followlinks=True):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        real = {name: os.path.realpath(f"{parent}/{name}") for name in links}
        leading_out = [name for name in links if not _within(real[name], root)]
        entered = []
        for name in leading_out if outside else ():
            if not any(_within(real[name], other) for other in seen):
                seen.add(real[name])
                entered.append(name)
        folders[:] = [name for name in folders if name not in real or name in entered]
        yield parent, [] if outside else leading_out, names


def sorted_out(
    folder: str, paths: list[str], outside: bool, known: Callable[[str], bool]
) -> Iterator[tuple[str, str]]:
    """Each path that is to be read, or refused, with the reason of the refusal or "".

    paths: of files in the folder. known: whether a file is of a known kind, by its name; others
    are left as they are. A link to a file that is among the paths itself is left out.
    """
    root = os.path.realpath(folder)
    parents: dict[str, str] = {}
    real: dict[str, str] = {}
    for path in paths:
        parent, name = os.path.split(path)
        if parent not in parents:
            parents[parent] = os.path.realpath(parent or ".")
        lies = f"{parents[parent].rstrip('/')}/{name}"
        real[path] = os.path.realpath(lies) if os.path.islink(lies) else lies  # noqa: PTH114  # a string
    lying = {path: os.path.abspath(path) for path in paths}  # noqa: PTH100  # a string
    base = os.path.abspath(folder)  # noqa: PTH100  # a string
    direct = {
        real[path]
        for path in paths
        if known(path) and _relative(lying[path], base) == _relative(real[path], root)
    }
    read: set[str] = set()
    for path in paths:
        target = real[path]
        is_direct = _relative(lying[path], base) == _relative(target, root)
        if not known(path):
            yield path, ""
        elif not (outside or is_direct or _within(target, root)):
            yield path, f"a link leads out of {folder}; RUIE_OUTSIDE_LINKS=true reads such files"
        elif target not in read and (is_direct or target not in direct):
            read.add(target)
            yield path, ""


def base_of(pattern: str) -> str:
    """The folder that a pattern is about: what stands before the first part with a wildcard."""
    parts = pattern.split("/")
    first = next((i for i, part in enumerate(parts) if set(part) & set("*?[")), len(parts) - 1)
    return "/".join(parts[:first]) or ("/" if pattern.startswith("/") else ".")


def refusal_of_folder(folder: str) -> str:
    """The reason for a link to a folder, of `walk`."""
    return f"a link to a folder leads out of {folder}; RUIE_OUTSIDE_LINKS=true reads such files"


def refusing(reason: str) -> Reader:
    """A reader that reads nothing and says why. (Nothing is damaged: what was read of the folder
    before, and is not met now, counts as removed as ever.)"""

    def read(
        stream: BinaryIO, name: str, mapping: ColumnMapping, limit: int, start: int
    ) -> Iterator[DocumentOrError]:
        yield NewInputError(name, None, reason)

    return read


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root.rstrip('/')}/")


def _relative(path: str, root: str) -> str:
    return path.removeprefix(root.rstrip("/"))
