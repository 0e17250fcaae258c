"""Documents with pages: their text as one, and where in it each page begins."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

from ruie.db.jobs import NewInputError
from ruie.worker.ingest.documents import (
    READ_BYTES,
    DocumentOrError,
    too_many_characters,
)
from ruie.worker.ingest.sources.formats import Reader, whole_document
from ruie.worker.ingest.sources.mapping import ColumnMapping

PAGES = "pages"
"""Metadata: the offset at which each page begins, in characters, the first one's 0."""
BETWEEN_PAGES = "\n\n"
MOST_BYTES = 512 << 20
"""Of a file: such files hold pictures too, so that their size says nothing about their text."""


class NotReadableError(Exception):
    """The file is none of its kind, or is protected; the message says which."""


def paged(pages_of: Callable[[BinaryIO, dict[str, Any]], Iterator[str]]) -> Reader:
    """One document a file; its number is 1. pages_of: the text of each page of a seekable stream;
    it may add to the metadata."""

    def read(
        stream: BinaryIO, name: str, mapping: ColumnMapping, limit: int, start: int
    ) -> Iterator[DocumentOrError]:
        if start:
            return
        with tempfile.SpooledTemporaryFile(max_size=READ_BYTES) as spool:
            seekable = stream if stream.seekable() else _copied(stream, cast(BinaryIO, spool))
            metadata: dict[str, Any] = {}
            try:
                if seekable is None:
                    raise NotReadableError(f"has more than {MOST_BYTES >> 20} MiB")
                text, starts = _joined(pages_of(seekable, metadata), limit)
            except NotReadableError as error:
                yield NewInputError(name, 1, str(error))
                return
        if len(text) > limit:
            yield NewInputError(name, 1, too_many_characters(len(text), limit, "at least "))
        elif not text.strip():
            reason = "has no text; pictures of text must be recognised first, as ocrmypdf does"
            yield NewInputError(name, 1, reason)
        else:
            metadata[PAGES] = starts
            yield whole_document(text, metadata, name, mapping, limit)

    return read


def _copied(stream: BinaryIO, spool: BinaryIO) -> BinaryIO | None:
    size = 0
    while piece := stream.read(READ_BYTES):
        size += len(piece)
        if size > MOST_BYTES:
            return None
        spool.write(piece)
    spool.seek(0)
    return spool


def _joined(pages: Iterator[str], limit: int) -> tuple[str, list[int]]:
    """The text, up to the page with which it exceeds the limit, and the pages' beginnings."""
    parts: list[str] = []
    starts: list[int] = []
    size = 0
    for page in pages:
        page = page.strip()
        if parts:
            size += len(BETWEEN_PAGES)
        starts.append(size)
        parts.append(page)
        size += len(page)
        if size > limit:
            break
    return BETWEEN_PAGES.join(parts), starts
