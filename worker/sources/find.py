"""From what the user names to sources, in a stable order."""

from __future__ import annotations

import glob
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from ruie.errors import UsageError
from worker.sources import formats
from worker.sources.archive import Archives, Opened
from worker.sources.delimited import delimited
from worker.sources.html import html_at_least, html_text, markdown_at_least, markdown_text
from worker.sources.mapping import DEFAULT, Mapping
from worker.sources.parquet import parquet
from worker.sources.remote import remote, without_credentials
from worker.sources.source import Source

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
    mapping: Mapping = DEFAULT,
    max_chars: int = 200_000,
    input_format: str = "",
) -> list[Source]:
    """Files, folders, globs, `-` and URLs as sources. input_format: of standard input and of named
    files whose name tells none. Raises `UsageError`, `UnavailableError` before anything is read."""
    found: dict[str, Source] = {}
    names: dict[str, str] = {}
    open_archive = Archives()
    for one in map(str, given):
        made = []
        for name, fingerprint, opened, folder in _places(one, names):
            made += list(_sources(name, fingerprint, opened, folder, input_format, open_archive))
        if not made:
            shown = without_credentials(one)
            raise UsageError(f"{shown} holds no document.", f"Known kinds: {', '.join(SUFFIXES)}.")
        for name, fingerprint, opened, kind, packing in made:
            reader = FORMATS[kind]
            source = Source(name, fingerprint, opened, packing, reader, mapping, max_chars)
            found.setdefault(name, source)
    return list(found.values())


def _sources(
    name: str, fingerprint: str, opened: Opened, folder: bool, input_format: str, archives: Archives
) -> Iterator[tuple[str, str, Opened, str, str]]:
    bare = name if "://" not in name else name.split("?")[0]
    if bare.lower().endswith(".zip"):
        archive = archives.one(opened)
        try:
            members = archive.members(lambda member: bool(_kind(member)[0]))
        except (OSError, zipfile.BadZipFile):
            yield name, fingerprint, partial(archive.member, ""), "jsonl", ""  # reading says why
            return
        for info in members:
            kind, packing = _kind(info.filename)
            mark = f"{info.CRC:08x}-{info.file_size}"
            inside = partial(archive.member, info.filename)
            yield f"{name}!{info.filename}", mark, inside, kind, packing
        return
    kind, packing = _kind(bare)
    if not kind and not folder:
        kind = input_format or ("jsonl" if name == "stdin" else "")
        if not kind:
            hint = f"Known kinds are {', '.join(SUFFIXES)}; --input-format names it."
            raise UsageError(f"{name} is of no known kind.", hint)
    if kind:
        yield name, fingerprint, opened, kind, packing


def _kind(name: str) -> tuple[str, str]:
    path = Path(name.lower())
    packing = PACKED.get(path.suffix, "")
    return SUFFIXES.get((Path(path.stem) if packing else path).suffix, ""), packing


def _places(one: str, names: dict[str, str]) -> Iterator[tuple[str, str, Opened, bool]]:
    """Name, fingerprint, how to open it, and whether it was found rather than named."""
    if one == "-":
        yield "stdin", "", lambda: nullcontext(sys.stdin.buffer), False
    elif re.match(r"[a-z][a-z0-9+.-]*://", one):
        yield from remote(one, names)
    else:
        path = Path(one)
        if path.is_dir():
            for file in sorted(p for p in path.rglob("*") if p.is_file()):
                yield *_local(file), True
        elif path.exists():
            yield *_local(path), False
        elif not (matches := sorted(glob.glob(one, recursive=True))):  # noqa: PTH207  # as given
            raise UsageError(f"There is no file {path}.", "Check the path.")
        else:
            for match in matches:
                if Path(match).is_file():
                    yield *_local(Path(match)), True


def _local(path: Path) -> tuple[str, str, Opened]:
    stat = path.stat()
    mark = f"{stat.st_size}-{stat.st_mtime_ns}" if path.is_file() else ""
    return str(path), mark, lambda: cast(AbstractContextManager[BinaryIO], path.open("rb"))
