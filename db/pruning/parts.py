"""What a part of pruning is: rows that may go, and those that stay although they are old."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import (
    Case,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    Table,
    and_,
    case,
    func,
    literal,
    select,
    text,
)

from ruie.db.engine import reading
from ruie.db.models import jobs
from ruie.db.sql import in_ids

SPAN = 20_000
"""Ids that one statement looks at."""

JOB_ENDED = jobs.c.state.in_(("done", "cancelled"))
"""Nothing is added to the job any more: one that failed may be resumed."""


class Kind(StrEnum):
    """What a person chooses to prune."""

    ATTEMPTS = "attempts"
    RAW = "raw"
    RECORDS = "records"
    JOBS = "jobs"


@dataclass(frozen=True, slots=True)
class Cutoff:
    """before: what is older may go. counted_to: up to this id failed calls are in the metrics'
    totals; those above stay until they are. row_bytes: by table, about how many a row takes."""

    before: datetime
    counted_to: int
    row_bytes: Mapping[str, int]

    def bytes(self, table: Table, rows: int = 1) -> int:
        """About so many that the rows take."""
        return rows * self.row_bytes.get(table.name, 200)


@dataclass(slots=True)
class Amount:
    """Rows, and about how many bytes they take."""

    rows: int = 0
    bytes: int = 0

    def add(self, rows: int, size: int) -> None:
        self.rows += rows
        self.bytes += size


@dataclass(slots=True)
class Found:
    """What of some old rows may go, by what it is; and how many stay, by what they are and why."""

    goes: dict[str, Amount] = field(default_factory=dict)
    stays: Counter[tuple[str, str]] = field(default_factory=Counter)

    def going(self, what: str, rows: int, size: int = 0) -> None:
        if rows:
            self.goes.setdefault(what, Amount()).add(rows, size)

    def add(self, other: Found) -> None:
        for what, amount in other.goes.items():
            self.going(what, amount.rows, amount.bytes)
        self.stays += other.stays


class Part(Protocol):
    """Rows of one sort. spans: all of them, in parts that one statement can look at. find: what of
    a span may go. choose: by what `remove` knows it. weight: how many rows one of these is. remove:
    those that may still go, in the caller's transaction."""

    kind: Kind

    def spans(self, engine: Engine) -> Iterator[Any]: ...

    def find(self, conn: Connection, cutoff: Cutoff, span: Any) -> Found: ...

    def choose(self, conn: Connection, cutoff: Cutoff, span: Any) -> Sequence[Any]: ...

    def weight(self, one: Any) -> int: ...

    def remove(self, conn: Connection, cutoff: Cutoff, chosen: Sequence[Any]) -> Found: ...


def id_spans(engine: Engine, table: Table) -> Iterator[tuple[int, int]]:
    """Ranges of ids, the first excluded and the last included."""
    with reading(engine) as conn:
        first, last = conn.execute(select(func.min(table.c.id), func.max(table.c.id))).one()
    if last is not None:
        for after in range(first - 1, last, SPAN):
            yield after, min(after + SPAN, last)


def within(table: Table, span: tuple[int, int]) -> ColumnElement[bool]:
    return and_(table.c.id > span[0], table.c.id <= span[1])


def reasons(*kept: tuple[ColumnElement[bool], str]) -> Case[str] | ColumnElement[str]:
    """Why a row stays: the first reason whose condition holds; "" where none does."""
    return case(*((condition, why) for condition, why in kept), else_="") if kept else literal("")


class SingleRows:
    """What is chosen are rows."""

    def weight(self, one: Any) -> int:
        return 1


class IdRows(SingleRows):
    """A part whose rows have ids and conditions of their own."""

    kind: Kind
    table: Table
    what: str

    def old(self, cutoff: Cutoff) -> ColumnElement[bool]:
        """Rows that are to be looked at."""
        raise NotImplementedError

    def why_kept(self, cutoff: Cutoff) -> ColumnElement[str]:
        """Why a row stays, or ""."""
        raise NotImplementedError

    def size(self, cutoff: Cutoff) -> ColumnElement[int]:
        """The bytes that go with a row."""
        return literal(cutoff.bytes(self.table), Integer)

    def spans(self, engine: Engine) -> Iterator[tuple[int, int]]:
        return id_spans(engine, self.table)

    def find(self, conn: Connection, cutoff: Cutoff, span: tuple[int, int]) -> Found:
        why = self.why_kept(cutoff).label("why")
        query = (
            select(why, func.count(), func.sum(self.size(cutoff)))
            .where(within(self.table, span), self.old(cutoff))
            .group_by(why)
        )
        found = Found()
        for reason, rows, size in conn.execute(query):
            if reason:
                found.stays[self.what, reason] += rows
            else:
                found.going(self.what, rows, int(size or 0))
        return found

    def choose(self, conn: Connection, cutoff: Cutoff, span: tuple[int, int]) -> Sequence[int]:
        return conn.scalars(
            select(self.table.c.id)
            .where(within(self.table, span), self.old(cutoff), self.why_kept(cutoff) == "")
            .order_by(self.table.c.id)
        ).all()

    def still(self, conn: Connection, cutoff: Cutoff, chosen: Sequence[int]) -> dict[int, int]:
        """Those that may still go, locked, with their bytes; not those that others hold."""
        query = (
            select(self.table.c.id, self.size(cutoff))
            .where(
                in_ids(conn, self.table.c.id, chosen), self.old(cutoff), self.why_kept(cutoff) == ""
            )
            .with_for_update(of=self.table, skip_locked=True)
        )
        return {row[0]: int(row[1] or 0) for row in conn.execute(query)}


# Bytes of a row with its entries in the indexes: benchmarks/weight.md.
_SQLITE_BYTES: Mapping[str, int] = {
    "attempts": 260,
    "work_items": 160,
    "entities": 150,
    "relations": 230,
    "events": 90,
    "event_arguments": 115,
}
_POSTGRESQL_BYTES = text(
    "SELECT relname, pg_total_relation_size(oid) / reltuples FROM pg_class"
    " WHERE relkind = 'r' AND reltuples > 0 AND pg_table_is_visible(oid)"
)


def row_bytes(conn: Connection) -> dict[str, int]:
    """By table, about how many bytes a row takes, with its entries in the indexes."""
    if conn.dialect.name == "postgresql":
        return {name: int(size) for name, size in conn.execute(_POSTGRESQL_BYTES)}
    return dict(_SQLITE_BYTES)
