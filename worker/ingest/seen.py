"""What one pass has met before, in a temporary file: memory is bounded however large the corpus."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable


class Seen:
    """Names and texts that came before. To be closed."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")  # "" is a temporary file, used as memory runs short
        for kind in ("names", "texts"):
            self._db.execute(f"CREATE TABLE {kind} (name BLOB PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")

    def name(self, name: str) -> bool:
        """Whether this is the first of its name."""
        return self._first("names", hashlib.sha256(name.encode()).digest())

    def text(self, digest: str) -> bool:
        """Whether this is the first text of its digest, hex."""
        return self._first("texts", bytes.fromhex(digest))

    def add_numbers(self, numbers: Iterable[int]) -> None:
        """Remember numbers, such as ids."""
        given = [(number,) for number in numbers]
        self._db.executemany("INSERT OR IGNORE INTO numbers VALUES (?)", given)

    def has_number(self, number: int) -> bool:
        """Whether it was added."""
        found = self._db.execute("SELECT 1 FROM numbers WHERE number = ?", (number,))
        return found.fetchone() is not None

    def _first(self, table: str, key: bytes) -> bool:
        return self._db.execute(f"INSERT OR IGNORE INTO {table} VALUES (?)", (key,)).rowcount == 1

    def close(self) -> None:
        """Forget it all."""
        self._db.close()
