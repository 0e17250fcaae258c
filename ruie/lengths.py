"""How long what identifies something may be: the same on both databases.

A row of a PostgreSQL index has room for 2,704 bytes, and SQLite would take anything. So every text
from outside that is a key is bounded here, in bytes of UTF-8, a little below that; the names of
records are bounded by their keys (ruie/names.py), labels by the schema.
"""

from __future__ import annotations

from ruie.errors import UsageError

LONGEST_BYTES = 2_650
"""Of a source's name, of a document's id together with its corpus' name, and of the name of a
corpus, a schedule or a job. An index row has a job's id, a number and headers besides."""
LONGEST_URL_BYTES = 2_000
"""Of an endpoint's base URL, which is in one index with the model."""
LONGEST_MODEL_BYTES = 600
"""Of a model's name."""
SHOWN_CHARS = 200
"""Characters that are shown of what is too long."""


def size_of(text: str) -> int:
    """Bytes of the text as a database stores it: what is no character takes three, as U+FFFD."""
    return len(text.encode("utf-8", "surrogatepass"))


def is_too_long(text: str, limit: int = LONGEST_BYTES) -> bool:
    """Whether it has more than `limit` bytes."""
    return 4 * len(text) > limit and size_of(text) > limit


def shortened(text: str) -> str:
    """The beginning of a text that is too long, with its size; any other as it is."""
    if not is_too_long(text):
        return text
    return f"{text[:SHOWN_CHARS]}… ({size_of(text):,} bytes)"


def check_length(what: str, text: str | None, limit: int = LONGEST_BYTES) -> None:
    """Raises `UsageError` where a name that a person gave is too long. what: `name of a job`."""
    if text is not None and is_too_long(text, limit):
        raise UsageError(
            f"The {what} has {size_of(text):,} bytes, more than {limit:,}"
            f" (it begins '{text[:40]}').",
            "Give a shorter one.",
        )
