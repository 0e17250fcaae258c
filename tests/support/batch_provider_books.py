"""The books of the scripted batch provider: a SQLite file that the provider writes, and that any
process may read meanwhile."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from support.metered import Entry

ENDED = ("completed", "failed", "expired", "cancelled", "vanished")
"""The last states of a batch. The books name them as OpenAI does, whatever the form; no client
hears of `vanished`."""


@dataclass
class Batch:
    """A batch as the provider knows it. Times are of `time.time()`; 0 where there is none yet."""

    id: str
    number: int
    """In the order of creation."""
    form: str
    """openai, inline, anthropic or mistral."""
    call: int
    """The number of the call (`Call`) that made it."""
    created_at: float
    metadata: str = "{}"
    token: str = ""
    """`metadata.ruie`; without metadata what stands after the last hyphen of its custom_ids."""
    input_file: str = ""
    endpoint: str = ""
    model: str = ""
    state: str = "validating"
    total: int = 0
    completed: int = 0
    failed: int = 0
    undone: int = 0
    prompt_tokens: int = 0
    errors: str = "[]"
    output_file: str = ""
    error_file: str = ""
    in_progress_at: float = 0.0
    finalizing_at: float = 0.0
    cancelling_at: float = 0.0
    ended_at: float = 0.0
    cancelled_by: str = ""
    """client or provider."""
    twin_of: str = ""
    """The batch that the same create made first."""
    faults: str = ""
    """What was scripted for it, separated by commas."""
    listed_from: float = 0.0
    vanishes_at: float = 0.0
    read: bool = False
    """All of its answers were sent to a client."""
    deleted: bool = False

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def seconds_open(self) -> float:
        return self.ended_at - self.created_at


@dataclass
class File:
    """A file, also one that was deleted. `batch`: the one that wrote it, or ""."""

    id: str
    number: int
    filename: str
    purpose: str
    bytes: int
    created_at: float
    batch: str = ""
    deleted: bool = False


@dataclass
class Call:
    """One request about files and batches, as it came; `status` 0: it got no answer."""

    number: int
    at: float
    asked: str
    target: str
    status: int = 0
    fault: str = ""
    batch: str = ""
    """The batch that it made, asked for or cancelled."""


@dataclass(frozen=True)
class Answer(Entry):
    """A request of a batch that the model answered and that was billed. The text is not kept."""

    batch: str = ""
    custom_id: str = ""
    token: str = ""
    shown: int = 1
    """How many lines of the batch's files have it."""


Row = TypeVar("Row", Batch, File, Call, Answer)
_TABLES = {Batch: "batches", File: "files", Call: "calls", Answer: "answers"}
_KEYS = {Batch: "id", File: "id", Call: "number", Answer: "number"}
_INSERTS = {
    kind: (
        f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(fields(kind)))})",
        attrgetter(*(f.name for f in fields(kind))),
    )
    for kind, table in _TABLES.items()
}
_TYPES = {"int": "INTEGER", "bool": "INTEGER", "float": "REAL", "str": "TEXT"}


class Books:
    """The file, as one process reads or writes it."""

    def __init__(self, file: Path, write: bool = False) -> None:
        self._conn = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._conn.row_factory = sqlite3.Row
        if write:
            self._conn.execute("PRAGMA journal_mode = WAL")
            self._conn.execute("PRAGMA synchronous = OFF")
            for kind, table in _TABLES.items():
                columns = ", ".join(f"{f.name} {_TYPES[str(f.type)]}" for f in fields(kind))
                self._conn.execute(
                    f"CREATE TABLE IF NOT EXISTS {table} ({columns}, PRIMARY KEY ({_KEYS[kind]}))"
                )
            self._conn.execute(
                "CREATE INDEX IF NOT EXISTS answers_of ON answers (batch, custom_id)"
            )

    def close(self) -> None:
        self._conn.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written inside becomes visible at once."""
        self._conn.execute("BEGIN")
        try:
            yield
        finally:
            self._conn.execute("COMMIT")

    def put(self, row: Batch | File | Call | Answer) -> None:
        """Write a row, or write it anew."""
        sql, values = _INSERTS[type(row)]
        self._conn.execute(sql, values(row))

    def hide(self, batch: str) -> None:
        """No file has the batch's answers."""
        self._conn.execute("UPDATE answers SET shown = 0 WHERE batch = ?", [batch])

    def batches(self, since: float = 0.0) -> list[Batch]:
        """In the order of creation; since: of `time.time()`."""
        return self._rows(Batch, "created_at >= ? ORDER BY number", since)

    def files(self, since: float = 0.0) -> list[File]:
        """The files that are there now: at the end of a run, those that nobody deleted."""
        return self._rows(File, "NOT deleted AND created_at >= ? ORDER BY number", since)

    def calls(self, asked: str = "", since: float = 0.0) -> list[Call]:
        """Requests about files and batches; asked: `create`, `poll` and so on, or all."""
        return self._rows(
            Call, "? IN ('', asked) AND at >= ? ORDER BY number", asked.strip(), since
        )

    def answers(self, batch: str = "") -> list[Answer]:
        """What was answered and billed in a batch, or in all."""
        return self._rows(Answer, "? IN ('', batch) ORDER BY number", batch)

    def bill(self, batch: str = "") -> int:
        """What was billed for a batch, or for all, in billionths of a dollar."""
        sql = "SELECT COALESCE(SUM(nusd), 0) FROM answers WHERE ? IN ('', batch)"
        return int(self._conn.execute(sql, [batch]).fetchone()[0])

    def last_number(self, kind: type[Batch | File | Call | Answer]) -> int:
        """The highest number so far, or -1."""
        sql = f"SELECT COALESCE(MAX(number), -1) FROM {_TABLES[kind]}"
        return int(self._conn.execute(sql).fetchone()[0])

    def _rows(self, kind: type[Row], where: str, *values: object) -> list[Row]:
        found = self._conn.execute(f"SELECT * FROM {_TABLES[kind]} WHERE {where}", values)
        return [kind(**_typed(kind, dict(row))) for row in found]


def _typed(kind: type[Any], row: dict[str, Any]) -> Mapping[str, Any]:
    return {f.name: bool(row[f.name]) if f.type == "bool" else row[f.name] for f in fields(kind)}


def metadata_of(batch: Batch) -> dict[str, str]:
    """What the create that made it said."""
    found: dict[str, str] = json.loads(batch.metadata)
    return found
