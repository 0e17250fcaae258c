"""Filling the index of full-text search: after enqueueing, never during it.

Indexing documents as they are written would make enqueueing several times slower. So whoever has
time (the leading coordinator, `ruie search`) looks for documents above `indexed_to` and indexes
those that have no parts yet; several processes may do so at once, and none is indexed twice.

PostgreSQL assigns ids before their transactions commit: a document may appear with a lower id than
one that was indexed long ago. So `indexed_to` never exceeds `settled_to`, up to which no document
can appear any more: the largest id at some moment, once every transaction has ended that could
write documents then, as PostgreSQL's CREATE INDEX CONCURRENTLY waits. (SQLite has one writer.)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine, exists, func, select, text, update

from ruie.db.engine import reading
from ruie.db.models import FTS, document_parts, documents, search_state
from ruie.db.search_parts import Part, entry, split
from ruie.db.sql import insert_new, pieces

CHARS = 500_000
"""Characters indexed in one transaction; a longer document has one of its own."""
PAGE = 500
"""Ids that are checked together."""

# Many rows by the driver's own means: otherwise parameters would take half of the time.
_PARTS = "document_parts (id, document_id, char_start, char_end)"
_INSERT = {
    "sqlite": (
        f"INSERT INTO {_PARTS} VALUES (?, ?, ?, ?)",
        f"INSERT INTO {FTS} (rowid, words) VALUES (?, ?)",
    ),
    "postgresql": (
        f"INSERT INTO {_PARTS}"
        " SELECT * FROM UNNEST(%s::bigint[], %s::bigint[], %s::integer[], %s::integer[])",
        f"INSERT INTO {FTS} (rowid, words)"
        " SELECT n.id, n.words::tsvector FROM UNNEST(%s::bigint[], %s::text[]) AS n (id, words)",
    ),
}
# Transactions that write documents or have taken ids for them; others have locks of other modes.
_WRITERS = text(
    "SELECT virtualtransaction FROM pg_locks WHERE granted AND locktype = 'relation'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND relation IN (CAST('documents' AS regclass),"
    " CAST(pg_get_serial_sequence('documents', 'id') AS regclass))"
    " AND mode = 'RowExclusiveLock'"
)


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far documents are indexed; see `ruie.db.models.search.SearchState`."""

    indexed_to: int = 0
    settled_to: int = 0
    pending_to: int | None = None
    writers: tuple[str, ...] = ()


def index_documents(engine: Engine, limit: int = 500) -> int:
    """Index up to `limit` documents (and about CHARS characters), the oldest first, in one
    transaction. Returns how many; 0: all visible documents are indexed."""
    with reading(engine) as conn:
        if conn.dialect.name == "postgresql":
            # Each statement sees everything that was committed before it.
            conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        before = _reach(conn)
        reach = _settled(conn, before)
        ids, seen_to = _missing(conn, reach.indexed_to, limit)
        texts: dict[int, str] = {}
        for part in pieces(ids):
            query = select(documents.c.id, documents.c.text).where(documents.c.id.in_(part))
            texts.update((row.id, row.text) for row in conn.execute(query))
    reach = replace(reach, indexed_to=max(reach.indexed_to, min(seen_to, reach.settled_to)))
    # Before the transaction: on SQLite no one else can write during it.
    indexed = {id_: split(texts[id_]) for id_ in ids}
    if indexed or reach != before:
        with engine.begin() as conn:
            return _write(conn, indexed, reach)
    return 0


def index_for(engine: Engine, seconds: float, limit: int = 500) -> int:
    """Index until nothing is left or the time is over, at least once. Returns the number of
    documents."""
    deadline = time.monotonic() + seconds
    total = 0
    while done := index_documents(engine, limit):
        total += done
        if time.monotonic() >= deadline:
            break
    return total


def count_waiting(conn: Connection) -> int:
    """The number of documents that are not indexed yet."""
    query = select(func.count()).where(
        documents.c.id > _reach(conn).indexed_to,
        ~exists().where(document_parts.c.document_id == documents.c.id),
    )
    return conn.execute(query).scalar_one()


def _reach(conn: Connection) -> _Reach:
    row = conn.execute(select(search_state).where(search_state.c.id == 1)).first()
    if row is None:
        return _Reach()
    return _Reach(row.indexed_to, row.settled_to, row.pending_to, tuple(row.writers or ()))


def _settled(conn: Connection, reach: _Reach) -> _Reach:
    """`reach` with `settled_to` brought forward. To be called before documents are read: these then
    include every document up to there."""
    last = conn.execute(select(func.max(documents.c.id))).scalar() or 0
    if last == reach.settled_to and reach.pending_to is None:
        return reach
    if conn.dialect.name == "sqlite":
        return replace(reach, settled_to=last)
    running = set(conn.execute(_WRITERS).scalars())
    if not running:
        return replace(reach, settled_to=last, pending_to=None, writers=())
    if reach.pending_to is not None and running.isdisjoint(reach.writers):
        reach = replace(reach, settled_to=reach.pending_to, pending_to=None, writers=())
    if reach.pending_to is None and last > reach.settled_to:
        reach = replace(reach, pending_to=last, writers=tuple(sorted(running)))
    return reach


def _missing(conn: Connection, after: int, limit: int) -> tuple[list[int], int]:
    """The first documents above `after` that are not indexed, and the id up to which there are no
    others."""
    missing: list[int] = []
    chars = 0
    while True:
        page = conn.execute(
            select(documents.c.id, documents.c.chars)
            .where(documents.c.id > after)
            .order_by(documents.c.id)
            .limit(PAGE)
        ).all()
        if not page:
            return missing, after
        within = document_parts.c.document_id.between(page[0].id, page[-1].id)
        indexed = set(
            conn.execute(select(document_parts.c.document_id).where(within).distinct()).scalars()
        )
        for row in page:
            if row.id not in indexed:
                chars += row.chars
                if len(missing) == limit or (missing and chars > CHARS):
                    return missing, after
                missing.append(row.id)
            after = row.id


def _write(conn: Connection, indexed: dict[int, list[Part]], reach: _Reach) -> int:
    """Add the parts of documents that still have none, and record how far the index is."""
    conn.execute(insert_new(conn, search_state), {"id": 1, "indexed_to": 0, "settled_to": 0})
    # Another process that indexes waits here, and then sees what this one has done.
    now = conn.execute(select(search_state).with_for_update()).one()
    for some in pieces(list(indexed)):
        parts_of = select(document_parts.c.document_id).where(
            document_parts.c.document_id.in_(some)
        )
        for id_ in set(conn.execute(parts_of).scalars()):
            del indexed[id_]
    number = conn.execute(select(func.max(document_parts.c.id))).scalar() or 0
    rows: list[tuple[int, int, int, int]] = []
    entries: list[tuple[int, str]] = []
    for id_, parts in indexed.items():
        for part in parts:
            number += 1
            rows.append((number, id_, part.char_start, part.char_end))
            entries.append((number, entry(conn.dialect.name, part)))
    if rows:
        into_parts, into_index = _INSERT[conn.dialect.name]
        _insert(conn, into_parts, rows)
        _insert(conn, into_index, entries)
    conn.execute(
        update(search_state).values(
            indexed_to=max(now.indexed_to, reach.indexed_to),
            settled_to=max(now.settled_to, reach.settled_to),
            pending_to=reach.pending_to,
            writers=list(reach.writers) or None,
        )
    )
    return len(indexed)


def _insert(conn: Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql(statement, list(rows))
    else:
        conn.exec_driver_sql(statement, tuple(list(column) for column in zip(*rows, strict=True)))
