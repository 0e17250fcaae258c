"""Counting rows into the totals, each exactly once, without a word from those who write them.

A row's id is above all that were counted before, so writing it costs nothing more. PostgreSQL
assigns ids before their transactions commit: a row may appear below one that is there already. So
rows are counted only up to an id below which none can appear any more: the largest at some moment,
once every transaction has ended that could write to the table then. (SQLite has one writer.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine, Table, delete, exists, func, select, text, update

from ruie.db.engine import reading
from ruie.db.fold_sources import SOURCES
from ruie.db.models import metric_deltas, metric_totals
from ruie.db.sql import insert_new
from ruie.db.totals import Key, Total, Totals, add, summed

ROWS = 10_000
"""Ids of each table that one transaction counts."""

# Transactions that write to a table or have taken ids for it; others have locks of other modes.
_WRITERS = text(
    "SELECT t.name, l.virtualtransaction"
    " FROM unnest(CAST(:tables AS text[])) t(name) JOIN pg_locks l ON l.relation IN"
    " (CAST(t.name AS regclass), CAST(pg_get_serial_sequence(t.name, 'id') AS regclass))"
    " WHERE l.granted AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock'"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)

Leading = Callable[[], AbstractContextManager[Connection]]
"""A transaction in which this process is known to lead."""


@dataclass(frozen=True, slots=True)
class _Reach:
    """settled_to: no row can appear up to this id any more. pending_to: likewise, once the
    `writers` have ended."""

    settled_to: int = 0
    pending_to: int | None = None
    writers: frozenset[str] = frozenset()

    def seen(self, last: int, running: frozenset[str]) -> _Reach:
        """last: the largest id; running: the transactions that were writing after it was read."""
        if not running:
            return _Reach(last)
        reach = self
        if reach.pending_to is not None and running.isdisjoint(reach.writers):
            reach = _Reach(reach.pending_to)
        if reach.pending_to is None and last > reach.settled_to:
            reach = replace(reach, pending_to=last, writers=running)
        return reach


class Folding:
    """Counts what is new; for the process that leads. Another one that takes over counts on where
    it stopped."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reach = {source.name: _Reach() for source in SOURCES}

    def fold_for(self, leading: Leading, seconds: float) -> None:
        """Count until nothing is new or the time is over, in transactions of ROWS ids of each
        table. Raises what `leading` raises."""
        deadline = time.monotonic() + seconds
        more = self._new()
        while more:
            with leading() as conn:
                more = self._fold(conn)
            if time.monotonic() >= deadline:
                break

    def _new(self) -> bool:
        """Look how far the tables are, and whether anything is to be counted."""
        with reading(self._engine) as conn:
            if conn.dialect.name == "postgresql":
                # Each statement sees everything that was committed before it.
                conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            marks = _marks(conn)
            last = _last(conn)
            writers = _writers(conn)
            deltas = conn.execute(select(exists().where(metric_deltas.c.id > 0))).scalar_one()
        for name, reach in self._reach.items():
            self._reach[name] = reach.seen(last[name], writers.get(name, frozenset()))
        return bool(deltas) or any(
            reach.settled_to > marks.get(name, 0) for name, reach in self._reach.items()
        )

    def _fold(self, conn: Connection) -> bool:
        """Whether more is to be counted."""
        marks = _marks(conn, lock=True)
        if len(marks) < len(SOURCES):
            _add_marks(conn)
            marks = _marks(conn, lock=True)
        counted = [_deltas(conn)]
        more = False
        for source in SOURCES:
            after, settled_to = marks[source.name], self._reach[source.name].settled_to
            to = min(settled_to, after + ROWS)
            if to > after:
                counted.append(source.count(conn, after, to))
                conn.execute(_MOVE.where(metric_totals.c.kind == source.name).values(value=to))
            more = more or to < settled_to
        add(conn, summed(counted))
        return more


def folded_to(conn: Connection, table: Table) -> int:
    """The id up to which the table's rows are counted; those above may not be deleted yet. It only
    rises, so it need not be locked."""
    return _marks(conn).get(table.name, 0)


_IS_MARK = metric_totals.c.name == Total.FOLDED_TO.value
_MOVE = update(metric_totals).where(_IS_MARK)


def _add_marks(conn: Connection) -> None:
    none = {"name": Total.FOLDED_TO.value, "job_id": "", "model": "", "value": 0}
    conn.execute(insert_new(conn, metric_totals), [{**none, "kind": s.name} for s in SOURCES])


def _marks(conn: Connection, lock: bool = False) -> dict[str, int]:
    query = select(metric_totals.c.kind, metric_totals.c.value).where(_IS_MARK)
    query = query.order_by(metric_totals.c.kind)
    rows = conn.execute(query.with_for_update() if lock else query)
    return {row.kind: row.value for row in rows}


_LAST = select(*(select(func.max(s.table.c.id)).scalar_subquery().label(s.name) for s in SOURCES))


def _last(conn: Connection) -> dict[str, int]:
    """The largest id of each table."""
    row = conn.execute(_LAST).one()
    return {name: value or 0 for name, value in row._mapping.items()}


def _writers(conn: Connection) -> dict[str, frozenset[str]]:
    """By table, the transactions that may be writing to it."""
    found: dict[str, frozenset[str]] = {}
    if conn.dialect.name == "postgresql":
        for name, transaction in conn.execute(_WRITERS, {"tables": [s.name for s in SOURCES]}):
            found[name] = found.get(name, frozenset()) | {transaction}
    return found


def _deltas(conn: Connection) -> dict[Key, int]:
    """Take the deltas that are there."""
    taken = delete(metric_deltas).returning(
        metric_deltas.c.name, metric_deltas.c.kind, metric_deltas.c.value
    )
    return summed({Key(Total(name), kind=kind): value} for name, kind, value in conn.execute(taken))


def count_unfolded(conn: Connection, totals: Totals) -> int:
    """About how many rows these totals have not counted: ids that were not given out count too."""
    marks = {key.kind: value for key, value in totals.of(Total.FOLDED_TO)}
    return sum(max(0, last - marks.get(name, 0)) for name, last in _last(conn).items())
