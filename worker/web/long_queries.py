"""Queries that are too long for an address, kept so that a page which shows one has an address."""

from __future__ import annotations

import hashlib
import threading

LONGEST = 4000
"""Characters of a query in an address: proxies take one of about 8 kB."""
MOST = 16
"""Queries kept; the one that was kept first goes first."""


class LongQueries:
    """Of one process, by a digest: who knows it has seen the query."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}
        self._lock = threading.Lock()

    def keep(self, sql: str) -> str:
        """Its digest."""
        digest = hashlib.sha256(sql.encode("utf-8", "replace")).hexdigest()
        with self._lock:
            self._kept.pop(digest, None)
            self._kept[digest] = sql
            while len(self._kept) > MOST:
                del self._kept[next(iter(self._kept))]
        return digest

    def get(self, digest: str) -> str | None:
        """None where it is not kept any longer."""
        with self._lock:
            return self._kept.get(digest)
