"""From what the user names to sources, in a stable order."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from ruie.errors import UsageError
from ruie.secrets import without_credentials
from ruie.worker.ingest.sources import formats, links
from ruie.worker.ingest.sources.archive import Archives
from ruie.worker.ingest.sources.delimited import delimited
from ruie.worker.ingest.sources.docx import docx
from ruie.worker.ingest.sources.encodings import page_of, text_of
from ruie.worker.ingest.sources.file_entry import Access, FileEntry, lost_entry
from ruie.worker.ingest.sources.file_source import STDIN, FileSource
from ruie.worker.ingest.sources.html import (
    html_min_chars,
    html_text,
    markdown_min_chars,
    markdown_text,
)
from ruie.worker.ingest.sources.local import local
from ruie.worker.ingest.sources.mapping import DEFAULT, ColumnMapping
from ruie.worker.ingest.sources.parquet import parquet
from ruie.worker.ingest.sources.pdf import check_installed, pdf
from ruie.worker.ingest.sources.remote import remote

FORMATS: dict[str, formats.Reader] = {
    "jsonl": formats.jsonl,
    "csv": delimited(","),
    "tsv": delimited("\t"),
    "parquet": parquet,
    "text": formats.whole_file(formats.plain_text, 4, text_of),
    "markdown": formats.whole_file(markdown_text, 4, text_of, markdown_min_chars),
    "html": formats.whole_file(html_text, 6, page_of, html_min_chars),
    "pdf": pdf,
    "docx": docx,
}
SUFFIXES = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet",
    ".txt": "text", ".text": "text", ".md": "markdown", ".markdown": "markdown",
    ".html": "html", ".htm": "html", ".pdf": "pdf", ".docx": "docx",
}  # fmt: skip  # a table
NOTHING_MORE = Access()
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def find_sources(
    named: Sequence[str | Path],
    mapping: ColumnMapping = DEFAULT,
    max_chars: int = 200_000,
    input_format: str = "",
    access: Access = NOTHING_MORE,
) -> list[FileSource]:
    """Files, folders, globs, `-` and URLs as sources. input_format: of standard input and of named
    files whose name does not tell. access: what they may lead to. Raises `UsageError`,
    `UnavailableError` before anything is read."""
    sources: dict[str, FileSource] = {}
    urls: dict[str, str] = {}
    archives = Archives()
    for name in map(str, named):
        any_known = False
        for entry in _entries(name, urls, access):
            for file, format_, compression in _files(entry, input_format, archives):
                any_known = True
                if format_ == "pdf" and not entry.listed:
                    check_installed()
                if file.name not in sources:
                    sources[file.name] = FileSource(
                        file.name, file.fingerprint, file.open, compression, _reader(file, format_),
                        mapping, max_chars, file.size,
                    )  # fmt: skip  # the file, how it is read
        if not any_known:
            shown = without_credentials(name)
            raise UsageError(f"{shown} holds no document.", f"Known kinds: {', '.join(SUFFIXES)}.")
    return list(sources.values())


def _reader(file: FileEntry, format_: str) -> formats.Reader:
    return links.refusing(file.refusal) if file.refusal else FORMATS[format_]


def _files(
    entry: FileEntry, input_format: str, archives: Archives
) -> Iterator[tuple[FileEntry, str, str]]:
    """An entry, or an archive's members, with the format and the compression of each."""
    name = entry.name
    if entry.lost or entry.refusal:  # refused when its turn comes, by the reader of any format
        yield entry, "jsonl", ""
        return
    path = name if "://" not in name else name.split("?")[0]
    if path.lower().endswith(".zip"):
        yield from _members(entry, archives)
        return
    format_, compression = _format(path)
    if not format_ and not entry.listed:
        format_ = input_format or ("jsonl" if name == STDIN else "")
        if not format_:
            hint = f"Known kinds are {', '.join(SUFFIXES)}; --input-format names it."
            raise UsageError(f"{name} is of no known kind.", hint)
    if format_:
        yield entry, format_, compression


def _members(entry: FileEntry, archives: Archives) -> Iterator[tuple[FileEntry, str, str]]:
    archive = archives.open(entry.open)
    try:
        members = archive.members(lambda member: bool(_format(member)[0]))
    except Exception as error:  # a damaged list of members raises errors of every class
        yield lost_entry(entry.name, "the archive cannot be listed", error), "jsonl", ""
        return
    for info, before in members:
        again = f" ({before + 1})" if before else ""  # no member of a known kind has such a name
        file = FileEntry(
            name=f"{entry.name}!{info.filename}{again}",
            fingerprint=f"{info.CRC:08x}-{info.file_size}",
            size=info.file_size,
            open=partial(archive.member, info.filename, before),
            listed=entry.listed,
        )
        yield file, *_format(info.filename)


def _format(name: str) -> tuple[str, str]:
    """The format and the compression, by the name's suffixes; "" where unknown or none."""
    path = Path(name.lower())
    compression = COMPRESSIONS.get(path.suffix, "")
    return SUFFIXES.get((Path(path.stem) if compression else path).suffix, ""), compression


def _entries(name: str, urls: dict[str, str], access: Access) -> Iterator[FileEntry]:
    if name == "-":
        yield FileEntry(STDIN, "", 0, lambda: nullcontext(sys.stdin.buffer), listed=False)
    elif url := re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", name):
        yield from remote(url[0].lower() + name[url.end() :], urls, access.hosts)
    else:
        yield from local(name, known, access.outside_links)


def known(name: str) -> bool:
    """Whether a file of this name is read where its folder is given."""
    return bool(_format(name)[0]) or name.lower().endswith(".zip")


def absolute(source: str | Path) -> str:
    """What the user named, from any working directory: an absolute path; URLs as they are."""
    text = str(source)
    return text if "://" in text or text == "-" else str(Path(text).absolute())
