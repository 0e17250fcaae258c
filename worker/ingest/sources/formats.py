"""Each format as a function: a stream into documents and refusals, numbered from 1.

Whatever is read again from `start` has the same numbers: they are the positions to resume at.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from ruie.db.jobs import NewInputError
from ruie.worker.ingest.documents import (
    EXCERPT_CHARS,
    KEPT_KEYS,
    PIECE,
    Read,
    document_of,
    excerpt_of,
    read_jsonl,
    too_many_bytes,
    too_many_characters,
)
from ruie.worker.ingest.sources.mapping import DEFAULT, ColumnMapping, as_json

Reader = Callable[[BinaryIO, str, ColumnMapping, int, int], Iterator[Read]]
Extracted = tuple[str, dict[str, Any]]
"""The text of a file, and what the file says of it: metadata."""


class UnreadableError(Exception):
    """The rest of a source cannot be read; the message says why."""


def mapped(
    row: dict[str, Any], name: str | None, number: int, mapping: ColumnMapping, limit: int
) -> Read:
    """A row of typed values as a document."""
    try:
        return document_of(as_json(mapping.row(row)), name, number, limit)
    except ValueError as error:
        return NewInputError(name, number, f"has a value that JSON has not ({error})")


def jsonl(
    stream: BinaryIO, name: str, mapping: ColumnMapping, limit: int, start: int
) -> Iterator[Read]:
    """One object a line."""
    return read_jsonl(stream, name, limit, mapping.row if mapping != DEFAULT else None, start)


def whole(
    extract: Callable[[str], Extracted], bytes_a_char: int, at_least: Callable[[str], int] = len
) -> Reader:
    """One document a file; its number is 1. bytes_a_char: so many for each character of the longest
    document, a larger file is not read. at_least: the fewest characters that the text may have; a
    file with too many is not parsed."""

    def read(
        stream: BinaryIO, name: str, mapping: ColumnMapping, limit: int, start: int
    ) -> Iterator[Read]:
        if start:
            return
        bound = bytes_a_char * limit + 65_536
        raw = stream.read(bound + 1)
        if len(raw) > bound:
            size = stream.seek(0, io.SEEK_END) if stream.seekable() else _to_the_end(stream, raw)
            yield NewInputError(name, 1, too_many_bytes(size, limit), excerpt_of(raw))
            return
        try:
            decoded = _decoded(raw)
        except UnicodeDecodeError as error:
            yield NewInputError(name, 1, f"is not UTF-8 (byte {error.start + 1})")
            return
        except LookupError as error:
            yield NewInputError(name, 1, f"is not UTF-8 ({error})")
            return
        del raw
        if len(decoded) > limit and (fewest := at_least(decoded)) > limit:
            about = "" if at_least is len else "at least "
            reason = too_many_characters(fewest, limit, about)
            yield NewInputError(name, 1, reason, decoded[:EXCERPT_CHARS])
            return
        text, told = extract(decoded)
        if not text.strip():
            yield NewInputError(name, 1, "is empty")
            return
        kept = told if mapping.metadata is None else mapping.metadata
        metadata = {k: told[k] for k in kept if k in told and k not in KEPT_KEYS}
        yield document_of({**metadata, "text": text, "id": name}, name, 1, limit)

    return read


def plain_text(source: str) -> Extracted:
    """The text as it is."""
    return source, {}


def _to_the_end(stream: BinaryIO, read: bytes) -> int:
    size = len(read)
    while piece := stream.read(PIECE):
        size += len(piece)
    return size


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        declared = re.search(rb"<meta[^>]+charset=[\"']?([\w-]+)", raw[:2048], re.IGNORECASE)
        if not declared:
            raise
        return raw.decode(codecs.lookup(declared[1].decode()).name)
