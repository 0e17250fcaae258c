"""What one pass has met before, in a temporary file: memory is bounded however large the corpus."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable

from ruie.db.types import storable


class Seen:
    """External ids, texts and origins that came before. To be closed."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")  # "" is a temporary file, used as memory runs short
        for table in ("ids", "texts"):
            self._db.execute(f"CREATE TABLE {table} (hash BLOB PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("CREATE TABLE origins (id INTEGER PRIMARY KEY)")

    def add_id(self, external_id: str) -> bool:
        """Whether it is new."""
        return self._add("ids", hashlib.sha256(storable(external_id).encode()).digest())

    def add_text(self, digest: str) -> bool:
        """Whether it is new. digest: of the text, hex."""
        return self._add("texts", bytes.fromhex(digest))

    def add_origins(self, ids: Iterable[int]) -> None:
        """Remember origins, by their ids in the database."""
        self._db.executemany("INSERT OR IGNORE INTO origins VALUES (?)", ((id_,) for id_ in ids))

    def has_origin(self, id_: int) -> bool:
        """Whether it was added."""
        rows = self._db.execute("SELECT 1 FROM origins WHERE id = ?", (id_,))
        return rows.fetchone() is not None

    def _add(self, table: str, key: bytes) -> bool:
        return self._db.execute(f"INSERT OR IGNORE INTO {table} VALUES (?)", (key,)).rowcount == 1

    def close(self) -> None:
        """Delete the file."""
        self._db.close()
