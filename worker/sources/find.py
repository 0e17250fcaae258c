"""From what the user names to sources, in a stable order."""

from __future__ import annotations

import glob
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from ruie.errors import UnavailableError, UsageError
from worker.sources import formats
from worker.sources.delimited import delimited
from worker.sources.html import html_text, markdown_text
from worker.sources.mapping import DEFAULT, Mapping
from worker.sources.parquet import parquet
from worker.sources.source import Source

FORMATS: dict[str, formats.Reader] = {
    "jsonl": formats.jsonl,
    "csv": delimited(","),
    "tsv": delimited("\t"),
    "parquet": parquet,
    "text": formats.whole(formats.plain_text, 4),
    "markdown": formats.whole(markdown_text, 12),
    "html": formats.whole(html_text, 12),
}
SUFFIXES = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet",
    ".txt": "text", ".text": "text", ".md": "markdown", ".markdown": "markdown",
    ".html": "html", ".htm": "html",
}  # fmt: skip
PACKED = {".gz": "gzip", ".zst": "zstd"}
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure",
          "abfss": "azure", "http": "http", "https": "http"}  # fmt: skip
Opened = Callable[[], AbstractContextManager[BinaryIO]]


def find_sources(
    given: Sequence[str | Path],
    mapping: Mapping = DEFAULT,
    max_chars: int = 200_000,
    input_format: str = "",
) -> list[Source]:
    """Files, folders, globs, `-` and URLs as sources. input_format: of standard input and of named
    files whose name tells none. Raises `UsageError`, `UnavailableError` before anything is read."""
    found: dict[str, Source] = {}
    for one in map(str, given):
        made = []
        for name, fingerprint, opened, folder in _places(one):
            made += list(_sources(name, fingerprint, opened, folder, input_format))
        if not made:
            raise UsageError(f"{one} holds no document.", f"Known kinds: {', '.join(SUFFIXES)}.")
        for name, fingerprint, opened, kind, packing in made:
            reader = FORMATS[kind]
            source = Source(name, fingerprint, opened, packing, reader, mapping, max_chars)
            found.setdefault(name, source)
    return list(found.values())


def _sources(
    name: str, fingerprint: str, opened: Opened, folder: bool, input_format: str
) -> Iterator[tuple[str, str, Opened, str, str]]:
    bare = name if "://" not in name else name.split("?")[0]
    if bare.lower().endswith(".zip"):
        try:
            with opened() as stream, zipfile.ZipFile(stream) as archive:
                members = archive.infolist()
        except (OSError, zipfile.BadZipFile):
            yield name, fingerprint, partial(_member, opened, ""), "jsonl", ""  # reading says why
            return
        for info in members:
            kind, packing = _kind(info.filename)
            if kind and not info.filename.startswith("__MACOSX/"):
                mark = f"{info.CRC:08x}-{info.file_size}"
                inside = partial(_member, opened, info.filename)
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


@contextmanager
def _member(opened: Opened, name: str) -> Iterator[BinaryIO]:
    with opened() as stream, zipfile.ZipFile(stream) as archive:
        try:
            member = archive.open(name)
        except (KeyError, NotImplementedError, RuntimeError) as error:  # gone, packing, password
            raise formats.UnreadableError(str(error)) from error
        with member:
            yield cast(BinaryIO, member)


def _places(one: str) -> Iterator[tuple[str, str, Opened, bool]]:
    """Name, fingerprint, how to open it, and whether it was found rather than named."""
    if one == "-":
        yield "stdin", "", lambda: nullcontext(sys.stdin.buffer), False
    elif re.match(r"[a-z][a-z0-9+.-]*://", one):
        yield from _remote(one)
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


def _remote(url: str) -> Iterator[tuple[str, str, Opened, bool]]:
    import fsspec

    protocol = url.split("://")[0]
    try:
        fs, path = fsspec.core.url_to_fs(url)
        if "*" in path:
            infos, folder = fs.glob(path, detail=True), True
        elif url.endswith("/") or (info := fs.info(path))["type"] == "directory":
            infos, folder = fs.find(path, detail=True), True
        else:
            infos, folder = {path: info}, False
    except ImportError as error:
        extra = EXTRAS.get(protocol, protocol)
        hint = f"Install it: pip install 'ruie[{extra}]'."
        raise UnavailableError(f"Reading {protocol}:// is not installed.", hint) from error
    except FileNotFoundError as error:
        raise UsageError(f"There is no {url}.", "Check the address.") from error
    except Exception as error:  # each file system has errors of its own
        raise UnavailableError(f"{url} cannot be reached: {error}", "Check it.") from error
    for key in sorted(infos):
        if infos[key].get("type") != "directory":
            name = key if "://" in key else f"{protocol}://{key.lstrip('/')}"
            yield name, _mark(infos[key]), partial(fs.open, key, "rb"), folder


def _mark(info: dict[str, Any]) -> str:
    keys = ("ETag", "etag", "size", "LastModified", "last_modified", "Last-Modified", "updated")
    return "|".join(str(info[key]) for key in keys if info.get(key))
