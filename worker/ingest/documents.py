"""Rows into documents, and JSONL, one document a line; sources/ reads the other formats.

What cannot be read becomes a `NewInputError` that says where and why; the rest is read. Nothing is
dropped silently and no content of a line makes anything here raise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from ruie.closest import listed
from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument
from ruie.worker.ingest.metadata import UnstorableError, id_text, storable_metadata
from ruie.worker.ingest.refusal import cause_of

EXCERPT_CHARS = 120
GROUP_DOCUMENTS = 500
"""Documents that are looked up together."""
GROUP_CHARS = 4_000_000
"""Likewise, characters: long documents go in small groups."""
SHOWN_KEY_CHARS = 40
"""Characters of a key that a refusal names."""
READ_BYTES = 1 << 20
"""Bytes that are read at a time."""
RESERVED_KEYS = ("id", "text")
"""Keys of a row that are not metadata."""

DocumentOrError = NewDocument | NewInputError
"""What a row becomes."""
RowMapper = Callable[[dict[str, Any]], dict[str, Any]]


def in_groups(rows: Iterable[DocumentOrError]) -> Iterator[list[DocumentOrError]]:
    """Rows in lists of at most `GROUP_DOCUMENTS`."""
    group: list[DocumentOrError] = []
    chars = 0
    for row in rows:
        group.append(row)
        chars += len(row.text) if isinstance(row, NewDocument) else 0
        if len(group) == GROUP_DOCUMENTS or chars >= GROUP_CHARS:
            yield group
            group, chars = [], 0
    if group:
        yield group


def repeated_id(document: NewDocument) -> NewInputError:
    """The refusal of a document whose id another one has."""
    reason = f"repeats the id '{document.external_id}'"
    begin = document.text[:EXCERPT_CHARS]
    return NewInputError(document.source, document.line, reason, begin)


def was_forgotten(document: NewDocument) -> NewInputError:
    """The refusal of a document that was to be forgotten: nothing of its text is kept."""
    return NewInputError(document.source, document.line, "was forgotten (`ruie forget --list`)")


def read_jsonl(
    stream: BinaryIO, source: str, max_chars: int, mapper: RowMapper | None = None, start: int = 0
) -> Iterator[DocumentOrError]:
    """One document a line: an object with `text`, perhaps `id`, and anything else as metadata.

    Lines are read up to a bound, so that a file without line ends does not fill the memory.
    """
    bound = 12 * max_chars + 65_536  # JSON may write a character in 12 bytes (two \\u escapes)
    at_a_time = min(READ_BYTES, bound + 1)
    number = 0
    line: bytes | bytearray
    while line := stream.readline(at_a_time):
        number += 1
        if len(line) == at_a_time and not line.endswith(b"\n"):
            line, size = _long_line(stream, line, bound)
            if size > bound:
                if number > start:
                    reason = too_many_bytes(size, max_chars)
                    yield NewInputError(source, number, reason, excerpt(line))
                continue
        if number <= start:
            continue
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line.strip():
            # an empty last line is how a file ends; an empty line inside is a mistake
            if line.endswith(b"\n"):
                yield NewInputError(source, number, "is empty")
            continue
        yield _parse_line(line, source, number, max_chars, mapper)


def _long_line(stream: BinaryIO, begin: bytes, bound: int) -> tuple[bytes | bytearray, int]:
    """The line that `begin` begins, and its size; if it is over the bound, `begin` alone."""
    line, size = bytearray(begin), len(begin)
    while piece := stream.readline(READ_BYTES):
        size += len(piece)
        if size <= bound:
            line += piece
        else:
            line.clear()
        if piece.endswith(b"\n"):
            break
    return (line if size <= bound else begin), size


def _parse_line(
    line: bytes | bytearray, source: str, number: int, max_chars: int, mapper: RowMapper | None
) -> DocumentOrError:
    try:
        decoded = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return NewInputError(source, number, not_utf8(error), excerpt(line))
    try:
        row = _DECODER.decode(decoded)
    except UnstorableError as error:
        return NewInputError(source, number, str(error), excerpt(line))
    except (ValueError, RecursionError) as error:
        nested = isinstance(error, RecursionError)
        problem = "nested too deeply" if nested else getattr(error, "msg", str(error))
        return NewInputError(source, number, f"is not JSON ({problem})", excerpt(line))
    if not isinstance(row, dict):
        return NewInputError(source, number, "is not a JSON object", excerpt(line))
    return to_document(mapper(row) if mapper else row, source, number, max_chars)


def _refuse_constant(name: str) -> float:
    # Python reads NaN and Infinity, which are not JSON and which PostgreSQL refuses
    raise ValueError(f"{name} is no JSON number")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; Python would keep the last of two values with one key, and say nothing."""
    if len(read := dict(pairs)) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise UnstorableError(f"repeats the key '{repeated[:100]}'")
    return read


# json.loads would make one a line
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)


def to_document(
    row: dict[str, object], source: str | None, number: int | None, max_chars: int
) -> DocumentOrError:
    """A row as a document: `text` is required, `id` defaults to source and line, the rest is
    metadata."""
    try:
        return _document(row, source, number, max_chars)
    except UnstorableError as error:
        reason = str(error)
    except Exception as error:  # whatever a value of a program or a library raises
        reason = f"cannot be read: {cause_of(error, _place(source, number))}"
    return NewInputError(source, number, reason, _row_excerpt(row))


def _document(
    row: dict[str, object], source: str | None, number: int | None, max_chars: int
) -> DocumentOrError:
    text = row.get("text")
    if isinstance(text, str) and len(text) > max_chars:  # before anything makes a copy of it
        reason = too_many_characters(len(text), max_chars)
        return NewInputError(source, number, reason, text[:EXCERPT_CHARS])
    if "text" not in row:
        there = listed([str(key)[:SHOWN_KEY_CHARS] for key in row if key != "id"], 5)
        raise UnstorableError(f"lacks 'text'; it has {there}" if there else "lacks 'text'")
    if not isinstance(text, str):
        raise UnstorableError("'text' is not a string")
    if not text.strip():
        raise UnstorableError("'text' is empty")
    external_id = id_text(row.get("id")) or _place(source, number)
    metadata = storable_metadata({k: v for k, v in row.items() if k not in RESERVED_KEYS})
    return NewDocument(text, external_id, source, number, metadata or None)


def _place(source: str | None, number: int | None) -> str:
    return f"{source or 'row'}:{number}"


def _row_excerpt(row: dict[str, object]) -> str | None:
    try:
        return json.dumps(row, ensure_ascii=False, default=str)[:EXCERPT_CHARS]
    except (RecursionError, ValueError, TypeError):  # too deep, too many digits, a strange key
        return None


def not_utf8(error: UnicodeDecodeError) -> str:
    """Why bytes are refused, and what to do."""
    return f"is not UTF-8 (byte {error.start + 1}); save the file as UTF-8"


def too_many_characters(chars: int, limit: int, about: str = "") -> str:
    """Why a text is refused. about: "", or "at least "."""
    return f"has {about}{chars} characters, more than {limit} (RUIE_MAX_DOCUMENT_CHARS)"


def too_many_bytes(size: int, limit: int) -> str:
    """Why bytes are refused without decoding them: they must be more than `limit` characters."""
    return f"has {size} bytes, too many for {limit} characters (RUIE_MAX_DOCUMENT_CHARS)"


def excerpt(raw: bytes | bytearray) -> str:
    """The beginning of a line that cannot be used."""
    return raw[: 2 * EXCERPT_CHARS].decode("utf-8", "replace").strip()[:EXCERPT_CHARS]
