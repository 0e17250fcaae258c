"""A connection to PostgreSQL that notices a server which says nothing any more.

The server ends our statements when their time is up (`statement_timeout`), so one that is silent
for longer does not answer at all: it hangs, or a proxy in between does. TCP alone does not tell,
as whoever holds the other end of the connection confirms what is sent, and libpq would wait for
ever.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.rows import TupleRow

T = TypeVar("T")
Steps = Generator[Any, Any, T]
"""How psycopg talks to the server: it yields what it waits for, and is sent what is ready, nothing
being ready several times a second."""


class PostgreSQLConnection(psycopg.Connection[TupleRow]):
    """silent_s: seconds without a byte after which the connection counts as lost, None: never."""

    silent_s: float | None = None

    def wait(self, gen: Steps[T], *args: Any, **more: Any) -> T:
        if self.silent_s is not None:
            gen = self._watched(gen, self.silent_s)
        return super().wait(gen, *args, **more)

    def _watched(self, steps: Steps[T], silent_s: float) -> Steps[T]:
        heard = time.monotonic()
        try:
            wanted = next(steps)
            while True:
                ready = yield wanted
                if ready:
                    heard = time.monotonic()
                elif time.monotonic() - heard > silent_s:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the server was silent for {silent_s:g} s")
                wanted = steps.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result
