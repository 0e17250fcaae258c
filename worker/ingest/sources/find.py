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
from stat import S_ISBLK, S_ISCHR, S_ISREG
from typing import cast

from ruie.errors import UsageError
from ruie.worker.ingest.sources import formats
from ruie.worker.ingest.sources.archive import Archives
from ruie.worker.ingest.sources.delimited import delimited
from ruie.worker.ingest.sources.file_entry import FileEntry, OpenStream
from ruie.worker.ingest.sources.file_source import STDIN, FileSource
from ruie.worker.ingest.sources.html import (
    html_min_chars,
    html_text,
    markdown_min_chars,
    markdown_text,
)
from ruie.worker.ingest.sources.mapping import DEFAULT, ColumnMapping
from ruie.worker.ingest.sources.parquet import parquet
from ruie.worker.ingest.sources.pipes import is_pipe, opened_pipe
from ruie.worker.ingest.sources.remote import remote, without_credentials

FORMATS: dict[str, formats.Reader] = {
    "jsonl": formats.jsonl,
    "csv": delimited(","),
    "tsv": delimited("\t"),
    "parquet": parquet,
    "text": formats.whole_file(formats.plain_text, 4),
    "markdown": formats.whole_file(markdown_text, 4, markdown_min_chars),
    "html": formats.whole_file(html_text, 6, html_min_chars),
}
SUFFIXES = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet",
    ".txt": "text", ".text": "text", ".md": "markdown", ".markdown": "markdown",
    ".html": "html", ".htm": "html",
}  # fmt: skip  # a table
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def find_sources(
    named: Sequence[str | Path],
    mapping: ColumnMapping = DEFAULT,
    max_chars: int = 200_000,
    input_format: str = "",
) -> list[FileSource]:
    """Files, folders, globs, `-` and URLs as sources. input_format: of standard input and of named
    files whose name does not tell. Raises `UsageError`, `UnavailableError` before anything is
    read."""
    sources: dict[str, FileSource] = {}
    urls: dict[str, str] = {}
    archives = Archives()
    for name in map(str, named):
        any_known = False
        for entry in _entries(name, urls):
            for file, format_, compression in _files(entry, input_format, archives):
                any_known = True
                if file.name not in sources:
                    sources[file.name] = FileSource(
                        file.name, file.fingerprint, file.open, compression, FORMATS[format_],
                        mapping, max_chars, file.size,
                    )  # fmt: skip  # the file, how it is read
        if not any_known:
            shown = without_credentials(name)
            raise UsageError(f"{shown} holds no document.", f"Known kinds: {', '.join(SUFFIXES)}.")
    return list(sources.values())


def _files(
    entry: FileEntry, input_format: str, archives: Archives
) -> Iterator[tuple[FileEntry, str, str]]:
    """An entry, or an archive's members, with the format and the compression of each."""
    name = entry.name
    path = name if "://" not in name else name.split("?")[0]
    if path.lower().endswith(".zip"):
        archive = archives.open(entry.open)
        try:
            members = archive.members(lambda member: bool(_format(member)[0]))
        except (OSError, zipfile.BadZipFile):
            unreadable = entry._replace(open=partial(archive.member, ""))
            yield unreadable, "jsonl", ""  # the error is reported when it is read
            return
        for info in members:
            format_, compression = _format(info.filename)
            file = FileEntry(
                name=f"{name}!{info.filename}",
                fingerprint=f"{info.CRC:08x}-{info.file_size}",
                size=info.file_size,
                open=partial(archive.member, info.filename),
                listed=entry.listed,
            )
            yield file, format_, compression
        return
    format_, compression = _format(path)
    if not format_ and not entry.listed:
        format_ = input_format or ("jsonl" if name == STDIN else "")
        if not format_:
            hint = f"Known kinds are {', '.join(SUFFIXES)}; --input-format names it."
            raise UsageError(f"{name} is of no known kind.", hint)
    if format_:
        yield entry, format_, compression


def _format(name: str) -> tuple[str, str]:
    """The format and the compression, by the name's suffixes; "" where unknown or none."""
    path = Path(name.lower())
    compression = COMPRESSIONS.get(path.suffix, "")
    return SUFFIXES.get((Path(path.stem) if compression else path).suffix, ""), compression


def _entries(name: str, urls: dict[str, str]) -> Iterator[FileEntry]:
    if name == "-":
        yield FileEntry(STDIN, "", 0, lambda: nullcontext(sys.stdin.buffer), listed=False)
    elif re.match(r"[a-z][a-z0-9+.-]*://", name):
        yield from remote(name, urls)
    else:
        path = Path(name)
        if path.is_dir():
            for file in _walk(str(path)):
                yield _local(file, listed=True)
        elif path.exists():
            yield _local(str(path), listed=False)
        elif not (matches := sorted(glob.glob(name, recursive=True))):  # noqa: PTH207  # as written
            raise UsageError(f"There is no file {path}.", "Check the path.")
        else:
            for match in matches:
                if Path(match).is_file():
                    yield _local(match, listed=True)


def _walk(folder: str) -> list[str]:
    """Every file below, sorted. Strings rather than paths: there may be a million."""
    files = []
    for parent, _, names in os.walk(folder):
        files += [f"{parent.rstrip('/')}/{name}" for name in names]
    return sorted(file for file in files if os.path.isfile(file))  # noqa: PTH113  # strings, as above


def _local(path: str, *, listed: bool) -> FileEntry:
    stat = os.stat(path)  # noqa: PTH116  # a string: there may be a million
    if S_ISBLK(stat.st_mode) or (S_ISCHR(stat.st_mode) and not _is_terminal(path)):
        raise UsageError(f"{path} is a device.", "Name a file, a folder or a pipe.")
    fingerprint = f"{stat.st_size}-{stat.st_mtime_ns}" if S_ISREG(stat.st_mode) else ""
    open_stream = cast(OpenStream, partial(open, path, "rb"))
    if is_pipe(stat):
        open_stream = partial(opened_pipe, path)
    return FileEntry(_printable(path), fingerprint, stat.st_size, open_stream, listed)


def _is_terminal(path: str) -> bool:
    """Whether it is where somebody types, which `/dev/stdin` may be."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)


def _printable(name: str) -> str:
    """A file's name as a database can hold it: bytes that are not UTF-8 as `\\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def absolute(source: str | Path) -> str:
    """What the user named, from any working directory: an absolute path; URLs as they are."""
    text = str(source)
    return text if "://" in text or text == "-" else str(Path(text).absolute())
