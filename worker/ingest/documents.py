"""Rows into documents, and JSONL, one document a line; sources/ reads the other formats.

What cannot be read becomes a `NewInputError` that says where and why; the rest goes on. Nothing
is dropped silently and nothing here raises over a line's content.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument

EXCERPT_CHARS = 120
KEPT_ERRORS = 20
"""Refusals that are told one by one; the others are counted."""
CHUNK = 500
"""Documents that are handled together: in one transaction, where they are written."""
CHUNK_CHARS = 4_000_000
"""Likewise, characters: long documents go in small lists."""
PIECE = 1 << 20
"""Bytes that are read at a time."""
KEPT_KEYS = ("id", "text")

Read = NewDocument | NewInputError
Renaming = Callable[[dict[str, Any]], dict[str, Any]]


def in_chunks(read: Iterable[Read]) -> Iterator[list[Read]]:
    """What is read, in lists of at most `CHUNK`."""
    chunk: list[Read] = []
    chars = 0
    for row in read:
        chunk.append(row)
        chars += len(row.text) if isinstance(row, NewDocument) else 0
        if len(chunk) == CHUNK or chars >= CHUNK_CHARS:
            yield chunk
            chunk, chars = [], 0
    if chunk:
        yield chunk


def repeated(row: NewDocument) -> NewInputError:
    """A document is refused because another one has its id."""
    reason = f"repeats the id '{row.external_id}'"
    return NewInputError(row.source, row.line, reason, row.text[:EXCERPT_CHARS])


def read_jsonl(
    stream: BinaryIO, source: str, max_chars: int, row: Renaming | None = None, start: int = 0
) -> Iterator[Read]:
    """One document a line: an object with `text`, perhaps `id`, and anything else as metadata.

    Lines are read up to a bound, so that a file without line ends does not fill the memory.
    """
    bound = 12 * max_chars + 65_536  # JSON may write a character in 12 bytes (two \\u escapes)
    most = min(PIECE, bound + 1)
    number = 0
    line: bytes | bytearray
    while line := stream.readline(most):
        number += 1
        if len(line) == most and not line.endswith(b"\n"):
            line, size = _long_line(stream, line, bound)
            if size > bound:
                if number > start:
                    reason = too_many_bytes(size, max_chars)
                    yield NewInputError(source, number, reason, excerpt_of(line))
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
        yield _line(line, source, number, max_chars, row)


def _long_line(stream: BinaryIO, begin: bytes, bound: int) -> tuple[bytes | bytearray, int]:
    """The rest of a line that `begin` begins, and its size; over the bound, `begin` alone."""
    line, size = bytearray(begin), len(begin)
    while piece := stream.readline(PIECE):
        size += len(piece)
        if size <= bound:
            line += piece
        else:
            line.clear()
        if piece.endswith(b"\n"):
            break
    return (line if size <= bound else begin), size


def _line(
    line: bytes | bytearray, source: str, number: int, max_chars: int, renamed: Renaming | None
) -> Read:
    try:
        decoded = line.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 (byte {error.start + 1})"
        return NewInputError(source, number, reason, excerpt_of(line))
    try:
        row = _JSON.decode(decoded)
    except (ValueError, RecursionError) as error:
        nested = isinstance(error, RecursionError)
        said = "nested too deeply" if nested else getattr(error, "msg", str(error))
        return NewInputError(source, number, f"is not JSON ({said})", excerpt_of(line))
    if not isinstance(row, dict):
        return NewInputError(source, number, "is not a JSON object", excerpt_of(line))
    return document_of(renamed(row) if renamed else row, source, number, max_chars)


def _no_number(name: str) -> float:
    # Python reads NaN and Infinity, which are no JSON and which PostgreSQL refuses
    raise ValueError(f"{name} is no JSON number")


_JSON = json.JSONDecoder(parse_constant=_no_number)  # made once: json.loads makes one a line


def document_of(
    row: dict[str, object], source: str | None, number: int | None, max_chars: int
) -> Read:
    """One row as a document: `text` is needed; `id` defaults to the place; the rest is metadata."""
    text = row.get("text")
    if isinstance(text, str) and len(text) > max_chars:  # before anything makes a copy of it
        reason = too_many_characters(len(text), max_chars)
        return NewInputError(source, number, reason, text[:EXCERPT_CHARS])
    given = row.get("id")
    if "text" not in row:
        wrong = "lacks 'text'"
    elif not isinstance(text, str):
        wrong = "'text' is not a string"
    elif not text.strip():
        wrong = "'text' is empty"
    elif given is not None and not isinstance(given, str | int):
        wrong = "'id' is neither a string nor a number"
    else:
        name = str(given) if given not in (None, "") else f"{source or 'row'}:{number}"
        metadata = {k: v for k, v in row.items() if k not in KEPT_KEYS}
        if _writable(metadata):
            return NewDocument(text, name, source, number, metadata or None)
        wrong = "is nested too deeply"
    return NewInputError(source, number, wrong, _excerpt(row))


def _writable(metadata: dict[str, object]) -> bool:
    """What is nested may be read at a depth that cannot be written."""
    return not any(isinstance(value, dict | list) for value in metadata.values()) or (
        _excerpt(metadata) is not None
    )


def _excerpt(row: dict[str, object]) -> str | None:
    try:
        return json.dumps(row, ensure_ascii=False, default=str)[:EXCERPT_CHARS]
    except RecursionError:
        return None


def too_many_characters(chars: int, limit: int, about: str = "") -> str:
    """Why a text is refused."""
    return f"has {about}{chars} characters, more than {limit} (RUIE_MAX_DOCUMENT_CHARS)"


def too_many_bytes(size: int, limit: int) -> str:
    """Why what was not read as text is refused: its characters can be no fewer than that."""
    return f"has {size} bytes, too many for {limit} characters (RUIE_MAX_DOCUMENT_CHARS)"


def excerpt_of(raw: bytes | bytearray) -> str:
    """The beginning of a line that cannot be used."""
    return raw[: 2 * EXCERPT_CHARS].decode("utf-8", "replace").strip()[:EXCERPT_CHARS]
