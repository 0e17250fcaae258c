"""PostgreSQL's plans of the statements that this process sends, whatever sends them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Engine, event

LOOKS = 3
"""Of a statement that is sent again and again, the plans for its first parameters."""


@dataclass(frozen=True)
class Scan:
    """A statement that reads a table from its beginning to its end. step: of the program."""

    table: str
    step: str
    statement: str

    def __str__(self) -> str:
        return f"{self.step}: reads all of {self.table}: {self.statement}"


class Plans:
    """seen: of each statement, how often its plan was read."""

    def __init__(self) -> None:
        self.step = ""
        self.seen: dict[str, int] = {}
        self.scans: list[Scan] = []
        self._later: list[tuple[str, str, Any]] = []

    def before(
        self, conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        """Of SQLAlchemy's event `before_cursor_execute`."""
        if conn.dialect.name != "postgresql" or not _has_plan(statement):
            return
        self.seen[statement] = self.seen.get(statement, 0) + 1
        if self.seen[statement] > LOOKS:
            return
        values = parameters[0] if many else parameters
        driver = conn.connection.driver_connection
        if driver.pgconn.pipeline_status:  # whose answers come at its end
            self._later.append((self.step, statement, values))
        else:
            self._read(driver, self.step, statement, values)

    def finish(self, engine: Engine) -> None:
        """Read the plans of what was sent in pipelines."""
        with engine.connect() as conn:
            for step, statement, values in self._later:
                self._read(conn.connection.driver_connection, step, statement, values)
        self._later.clear()

    def _read(self, driver: Any, step: str, statement: str, values: Any) -> None:
        with psycopg.Cursor(driver) as cursor:
            explain = f"EXPLAIN (FORMAT JSON) {statement}"
            ((plan,),) = cursor.execute(explain, values, prepare=False)
        plan = json.loads(plan) if isinstance(plan, str) else plan
        for node in _nodes(plan[0]["Plan"]):
            if node["Node Type"] == "Seq Scan":
                words = " ".join(statement.split())
                self.scans.append(Scan(node["Relation Name"], step, words))


def _has_plan(statement: str) -> bool:
    return statement.split(None, 1)[0].upper() in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


@contextmanager
def plans() -> Iterator[Plans]:
    """Reads the plans of all engines of the process."""
    reading = Plans()
    event.listen(Engine, "before_cursor_execute", reading.before)
    try:
        yield reading
    finally:
        event.remove(Engine, "before_cursor_execute", reading.before)
