"""From what the user names to sources, in a stable order."""

from __future__ import annotations

import glob
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import cast

from ruie.errors import UsageError
from ruie.worker.ingest.sources import formats
from ruie.worker.ingest.sources.archive import Archives
from ruie.worker.ingest.sources.delimited import delimited
from ruie.worker.ingest.sources.file_entry import Opened, Place
from ruie.worker.ingest.sources.file_source import Source
from ruie.worker.ingest.sources.html import (
    html_at_least,
    html_text,
    markdown_at_least,
    markdown_text,
)
from ruie.worker.ingest.sources.mapping import DEFAULT, ColumnMapping
from ruie.worker.ingest.sources.parquet import parquet
from ruie.worker.ingest.sources.remote import remote, without_credentials

FORMATS: dict[str, formats.Reader] = {
    "jsonl": formats.jsonl,
    "csv": delimited(","),
    "tsv": delimited("\t"),
    "parquet": parquet,
    "text": formats.whole(formats.plain_text, 4),
    "markdown": formats.whole(markdown_text, 4, markdown_at_least),
    "html": formats.whole(html_text, 6, html_at_least),
}
SUFFIXES = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet",
    ".txt": "text", ".text": "text", ".md": "markdown", ".markdown": "markdown",
    ".html": "html", ".htm": "html",
}  # fmt: skip
PACKED = {".gz": "gzip", ".zst": "zstd"}


def find_sources(
    given: Sequence[str | Path],
    mapping: ColumnMapping = DEFAULT,
    max_chars: int = 200_000,
    input_format: str = "",
) -> list[Source]:
    """Files, folders, globs, `-` and URLs as sources. input_format: of standard input and of named
    files whose name tells none. Raises `UsageError`, `UnavailableError` before anything is read."""
    found: dict[str, Source] = {}
    names: dict[str, str] = {}
    open_archive = Archives()
    for one in map(str, given):
        known = False
        for place in _places(one, names):
            for (name, mark, size, opened, _), kind, packing in _sources(
                place, input_format, open_archive
            ):
                known = True
                if name not in found:
                    reader = FORMATS[kind]
                    found[name] = Source(
                        name, mark, opened, packing, reader, mapping, max_chars, size
                    )
        if not known:
            shown = without_credentials(one)
            raise UsageError(f"{shown} holds no document.", f"Known kinds: {', '.join(SUFFIXES)}.")
    return list(found.values())


def _sources(
    place: Place, input_format: str, archives: Archives
) -> Iterator[tuple[Place, str, str]]:
    """With the kind and the packing of each."""
    name = place.name
    bare = name if "://" not in name else name.split("?")[0]
    if bare.lower().endswith(".zip"):
        archive = archives.one(place.opened)
        try:
            members = archive.members(lambda member: bool(_kind(member)[0]))
        except (OSError, zipfile.BadZipFile):
            unread = place._replace(opened=partial(archive.member, ""))
            yield unread, "jsonl", ""  # reading says why
            return
        for info in members:
            kind, packing = _kind(info.filename)
            mark = f"{info.CRC:08x}-{info.file_size}"
            inside = partial(archive.member, info.filename)
            member = f"{name}!{info.filename}"
            yield Place(member, mark, info.file_size, inside, place.found), kind, packing
        return
    kind, packing = _kind(bare)
    if not kind and not place.found:
        kind = input_format or ("jsonl" if name == "stdin" else "")
        if not kind:
            hint = f"Known kinds are {', '.join(SUFFIXES)}; --input-format names it."
            raise UsageError(f"{name} is of no known kind.", hint)
    if kind:
        yield place, kind, packing


def _kind(name: str) -> tuple[str, str]:
    path = Path(name.lower())
    packing = PACKED.get(path.suffix, "")
    return SUFFIXES.get((Path(path.stem) if packing else path).suffix, ""), packing


def _places(one: str, names: dict[str, str]) -> Iterator[Place]:
    if one == "-":
        yield Place("stdin", "", 0, lambda: nullcontext(sys.stdin.buffer), False)
    elif re.match(r"[a-z][a-z0-9+.-]*://", one):
        yield from remote(one, names)
    else:
        path = Path(one)
        if path.is_dir():
            for file in _files(str(path)):
                yield _local(file, True)
        elif path.exists():
            yield _local(str(path), False)
        elif not (matches := sorted(glob.glob(one, recursive=True))):  # noqa: PTH207  # as given
            raise UsageError(f"There is no file {path}.", "Check the path.")
        else:
            for match in matches:
                if Path(match).is_file():
                    yield _local(match, True)


def _files(folder: str) -> list[str]:
    """Every file below, sorted. Names and not paths: there may be a million."""
    found = []
    for place, _, names in os.walk(folder):
        found += [f"{place.rstrip('/')}/{name}" for name in names]
    return sorted(name for name in found if os.path.isfile(name))  # noqa: PTH113


def _local(name: str, found: bool) -> Place:
    stat = os.stat(name)  # noqa: PTH116  # likewise
    mark = f"{stat.st_size}-{stat.st_mtime_ns}" if S_ISREG(stat.st_mode) else ""
    return Place(_shown(name), mark, stat.st_size, cast(Opened, partial(open, name, "rb")), found)


def _shown(name: str) -> str:
    """A file's name as a database holds it: bytes that are no UTF-8 as `\\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def absolute(place: str | Path) -> str:
    """What the user named, wherever it is read from: a path from the root; URLs as they are."""
    text = str(place)
    return text if "://" in text or text == "-" else str(Path(text).absolute())
