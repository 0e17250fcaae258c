"""A page that is open in a browser: loaded once, then asked what has changed, as its htmx does."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter

EVERY_S = 3.0
"""As the pages say themselves (`every 3s`)."""
FRAGMENT = {"HX-Request": "true"}


class Tab(threading.Thread):
    """One page in one connection that is kept alive. answers: how often each status came; 0: the
    connection broke."""

    def __init__(self, port: int, path: str) -> None:
        super().__init__(name=f"tab-{path}", daemon=True)
        self.path = path
        self.answers: Counter[int] = Counter()
        self._port = port
        self._connection: http.client.HTTPConnection | None = None
        self._took_ms: list[float] = []
        self._closed = threading.Event()

    def run(self) -> None:
        loaded = False
        while not self._closed.wait(EVERY_S):
            loaded = self._get(FRAGMENT if loaded else {}) == 200

    def close(self) -> None:
        self._closed.set()
        self.join()
        if self._connection is not None:
            self._connection.close()

    def took_ms(self) -> list[float]:
        """Of the answers since the last time this was asked."""
        taken, self._took_ms = self._took_ms, []
        return taken

    def _get(self, headers: dict[str, str]) -> int:
        begun = time.perf_counter()
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            self._connection.request("GET", self.path, headers=headers)
            answer = self._connection.getresponse()
            answer.read()
            status = answer.status
        except (OSError, http.client.HTTPException):
            if self._connection is not None:
                self._connection.close()
            self._connection, status = None, 0
        self.answers[status] += 1
        if status == 200:
            self._took_ms.append(1000 * (time.perf_counter() - begun))
        return status
