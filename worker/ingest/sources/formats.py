"""A function for each format: a stream into documents and refusals, numbered from 1.

Reading again from `start` gives the same numbers: they are the positions to resume at.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from ruie.db.jobs import NewInputError
from ruie.worker.ingest.documents import (
    EXCERPT_CHARS,
    READ_BYTES,
    RESERVED_KEYS,
    DocumentOrError,
    excerpt,
    read_jsonl,
    to_document,
    too_many_bytes,
    too_many_characters,
)
from ruie.worker.ingest.refusal import cause_of
from ruie.worker.ingest.sources.encodings import Decode, UndecodableError
from ruie.worker.ingest.sources.mapping import DEFAULT, ColumnMapping, as_id, as_json

Reader = Callable[[BinaryIO, str, ColumnMapping, int, int], Iterator[DocumentOrError]]
TextAndMetadata = tuple[str, dict[str, Any]]
"""Of a file that is one document."""


def typed_document(
    row: dict[str, Any], name: str | None, number: int, mapping: ColumnMapping, limit: int
) -> DocumentOrError:
    """A row of typed values, such as dates, as a document."""
    try:
        renamed = mapping.rename(row)
        if "id" in renamed:
            renamed["id"] = as_id(renamed["id"])
        converted = as_json(renamed)
    except ValueError as error:
        return NewInputError(name, number, f"has a value that JSON has not ({error})")
    except Exception as error:  # a value of any class, which has its own errors
        reason = f"cannot be read: {cause_of(error, f'{name}:{number}')}"
        return NewInputError(name, number, reason)
    return to_document(converted, name, number, limit)


def jsonl(
    stream: BinaryIO, name: str, mapping: ColumnMapping, limit: int, start: int
) -> Iterator[DocumentOrError]:
    """One object a line."""
    return read_jsonl(stream, name, limit, mapping.rename if mapping != DEFAULT else None, start)


def whole_file(
    extract: Callable[[str], TextAndMetadata],
    bytes_per_char: int,
    decode: Decode,
    min_chars: Callable[[str], int] = len,
) -> Reader:
    """One document a file; its number is 1.

    decode: its bytes into a text; raises `UndecodableError`.
    bytes_per_char: a file with more, for each character of the longest document, is not read.
    min_chars: a lower bound of the characters of its text; a file with too many is not parsed.
    """

    def read(
        stream: BinaryIO, name: str, mapping: ColumnMapping, limit: int, start: int
    ) -> Iterator[DocumentOrError]:
        if start:
            return
        bound = bytes_per_char * limit + 65_536
        raw = stream.read(bound + 1)
        if len(raw) > bound:
            size = stream.seek(0, io.SEEK_END) if stream.seekable() else _rest(stream, len(raw))
            yield NewInputError(name, 1, too_many_bytes(size, limit), excerpt(raw))
            return
        try:
            decoded = decode(raw)
        except UndecodableError as error:
            yield NewInputError(name, 1, str(error), excerpt(raw))
            return
        del raw
        if len(decoded) > limit and (chars := min_chars(decoded)) > limit:
            about = "" if min_chars is len else "at least "
            reason = too_many_characters(chars, limit, about)
            yield NewInputError(name, 1, reason, decoded[:EXCERPT_CHARS])
            return
        text, metadata = extract(decoded)
        if not text.strip():
            yield NewInputError(name, 1, "is empty")
            return
        yield whole_document(text, metadata, name, mapping, limit)

    return read


def whole_document(
    text: str, metadata: dict[str, Any], name: str, mapping: ColumnMapping, limit: int
) -> DocumentOrError:
    """A file that is one document, with those of its metadata that are wanted."""
    keys = metadata if mapping.metadata is None else mapping.metadata
    kept = {k: metadata[k] for k in keys if k in metadata and k not in RESERVED_KEYS}
    return to_document({**kept, "text": text, "id": name}, name, 1, limit)


def plain_text(source: str) -> TextAndMetadata:
    """The text as it is."""
    return source, {}


def _rest(stream: BinaryIO, size: int) -> int:
    """`size` and the bytes that are left."""
    while piece := stream.read(READ_BYTES):
        size += len(piece)
    return size
