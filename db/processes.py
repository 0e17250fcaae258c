"""Which coordinators and workers are alive: each says so by one statement every few seconds.

Nothing depends on it but what people are shown. Leases say who may write, and the leadership who
leads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ruie.db.models import processes
from ruie.db.sql import changed
from ruie.db.types import utcnow

BEAT_S = 10.0
"""How often a process says that it is alive."""
SILENT_S = 35.0
"""One that has missed three times is silent: ended without a word, frozen, or cut off from the
database."""
GONE_S = 900.0
"""One that has been silent for so long is forgotten."""

Kind = Literal["coordinator", "worker"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a process is. name: as leases and the leadership name it."""

    name: str
    kind: Kind
    host: str
    pid: int
    version: str


@dataclass(frozen=True, slots=True)
class Doing:
    """What a worker process does. batch: its newest, with the priority of its class of jobs; None:
    it waits for one. calls: that it makes, in flight or waiting for a limit."""

    batch: str | None = None
    priority: int | None = None
    calls: int = 0


IDLE = Doing()


@dataclass(frozen=True, slots=True)
class Seen:
    """A process as it was seen last. silent_s: seconds since then."""

    identity: Identity
    doing: Doing
    started_at: datetime
    seen_at: datetime
    silent_s: float

    @property
    def silent(self) -> bool:
        return self.silent_s > SILENT_S


def _upsert(insert: Any) -> Any:
    statement = insert(processes)
    told = {c: statement.excluded[c] for c in ("seen_at", "batch", "priority", "calls")}
    return statement.on_conflict_do_update(index_elements=["name"], set_=told)


_UPSERT = {"postgresql": _upsert(postgresql.insert), "sqlite": _upsert(sqlite.insert)}


def beat(conn: Connection, who: Identity, doing: Doing, age_s: float) -> None:
    """Say that a process is alive. age_s: seconds since it started."""
    row = {
        "name": who.name,
        "kind": who.kind,
        "host": who.host,
        "pid": who.pid,
        "version": who.version,
        "started_at": utcnow(-age_s),
        "seen_at": utcnow(),
        "batch": doing.batch,
        "priority": doing.priority,
        "calls": doing.calls,
    }
    conn.execute(_UPSERT[conn.dialect.name].values(row))


def leave(conn: Connection, name: str) -> None:
    """A process has ended in order."""
    conn.execute(delete(processes).where(processes.c.name == name))


def sweep(conn: Connection, gone_s: float = GONE_S) -> int:
    """Forget those that have been silent for long; returns how many."""
    return changed(conn, delete(processes).where(processes.c.seen_at < utcnow(-gone_s)))


def seen(conn: Connection) -> list[Seen]:
    """All that are not forgotten, by kind and host."""
    query = select(processes, utcnow().label("now")).order_by(
        processes.c.kind, processes.c.host, processes.c.pid, processes.c.name
    )
    return [
        Seen(
            Identity(row.name, row.kind, row.host, row.pid, row.version),
            Doing(row.batch, row.priority, row.calls),
            row.started_at,
            row.seen_at,
            max(0.0, (row.now - row.seen_at).total_seconds()),
        )
        for row in conn.execute(query)
    ]


def others_alive(conn: Connection, kind: Kind, name: str) -> bool:
    """Whether there is another process of this kind that is not silent."""
    alive = processes.c.seen_at >= utcnow(-SILENT_S)
    other = select(processes.c.name).where(
        processes.c.kind == kind, processes.c.name != name, alive
    )
    return conn.execute(other.limit(1)).first() is not None


_ALIVE = (
    select(processes.c.kind, processes.c.version, func.count())
    .where(processes.c.seen_at >= utcnow(-SILENT_S))
    .group_by(processes.c.kind, processes.c.version)
)


def count_alive(conn: Connection) -> dict[tuple[str, str], int]:
    """How many are not silent, by kind and version."""
    return {(row.kind, row.version): row[2] for row in conn.execute(_ALIVE)}


def number_alive(conn: Connection, kind: str) -> int:
    """How many of a kind are not silent."""
    return sum(count for (each, _), count in count_alive(conn).items() if each == kind)
