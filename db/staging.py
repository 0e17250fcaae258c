"""Inserting thousands of documents at once: by way of temporary tables, in a few statements.

One statement for each table instead of each row: the ids that the database assigns never leave it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    bindparam,
    literal,
    select,
    true,
    union_all,
    update,
)

from ruie.chunking import Range
from ruie.db.models import chunks, documents, entities, events, origins, relations, work_items
from ruie.db.sql import insert_new, pieces
from ruie.records import Task

Row = tuple[Any, ...]

_metadata = MetaData()


def _temporary(name: str, *columns: Column[Any]) -> Table:
    return Table(name, _metadata, *columns, prefixes=["TEMPORARY"])


# n numbers the different texts, in the order in which they came.
_texts = _temporary(
    "staged_texts",
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("digest", Text),
    Column("text", Text),
    Column("chars", Integer),
    Column("parts", Integer),
)
_parts = _temporary(
    "staged_parts",
    Column("n", Integer),
    Column("ordinal", Integer),
    Column("char_start", Integer),
    Column("char_end", Integer),
    Column("digest", Text),
)
_rows = _temporary(
    "staged_rows",
    Column("i", Integer, primary_key=True, autoincrement=False),
    Column("n", Integer),
    Column("external_id", Text),
    Column("source", Text),
    Column("line", BigInteger),
    Column("metadata", JSON),
)
_seen = _temporary(
    "staged_seen",
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("source", Text),
    Column("line", BigInteger),
    Column("metadata", JSON),
)
STORED = _temporary(
    "staged_ids",
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("document_id", BigInteger),
)

# A scalar subselect is looked up in the index row by row; a join of three tables, two of them
# without statistics, may be planned as a scan of millions.
_document = select(documents.c.id).where(documents.c.digest == _texts.c.digest).scalar_subquery()
_chunk = (
    select(chunks.c.id)
    .where(
        chunks.c.document_id == STORED.c.document_id,
        chunks.c.char_start == _parts.c.char_start,
        chunks.c.char_end == _parts.c.char_end,
    )
    .correlate(STORED, _parts)
)
_located = select(STORED.c.document_id).join(_parts, _parts.c.n == STORED.c.n)

# Documents that have chunks already, and now get others.
_DIVIDED_AGAIN = (
    select(STORED.c.document_id)
    .join(_texts, _texts.c.n == STORED.c.n)
    .where(
        _texts.c.parts > 1,
        select(chunks.c.id).where(chunks.c.document_id == STORED.c.document_id).exists(),
        select(_parts.c.n).where(_parts.c.n == STORED.c.n, ~_chunk.exists()).exists(),
    )
)


@contextmanager
def staging(conn: Connection) -> Iterator[None]:
    """Create the temporary tables, and drop them afterwards."""
    if conn.dialect.name == "sqlite":
        # Digests come in random order, so that pages of their index are written again and again: it
        # pays to let the log grow (80 MB) before its pages are copied into the file.
        conn.exec_driver_sql("PRAGMA wal_autocheckpoint=20000")
    _metadata.create_all(conn, checkfirst=False)
    yield
    _metadata.drop_all(conn, checkfirst=False)


def add_documents(
    conn: Connection, texts: Mapping[str, str], divided: Sequence[Sequence[Range]]
) -> int:
    """Store texts (by digest) with their chunks (for each text its ranges). Returns how many were
    new. Records of a document that another job divided into other chunks are marked as shared,
    since another chunk may now have equal ones."""
    _load(
        conn,
        _texts,
        (
            (n, digest, text, len(text), len(divided[n]))
            for n, (digest, text) in enumerate(texts.items())
        ),
    )
    _load(
        conn,
        _parts,
        (
            (n, ordinal, start, end, part_digest(digest, text, start, end))
            for n, (digest, text) in enumerate(texts.items())
            for ordinal, (start, end) in enumerate(divided[n])
        ),
    )
    # In one order everywhere, so that two that enqueue the same texts wait, but never deadlock.
    stored = select(_texts.c.digest, _texts.c.text, _texts.c.chars).where(true())
    new = _insert(conn, documents, stored.order_by(_texts.c.digest))
    conn.execute(STORED.insert().from_select(["n", "document_id"], select(_texts.c.n, _document)))
    if any(len(ranges) > 1 for ranges in divided):
        _mark_shared(conn)
    of_document = _located.add_columns(
        _parts.c.ordinal, _parts.c.char_start, _parts.c.char_end, _parts.c.digest
    ).where(true())
    _insert(conn, chunks, of_document.order_by(STORED.c.document_id, _parts.c.ordinal))
    return new


def part_digest(digest: str, text: str, start: int, end: int) -> str:
    """The SHA-256 of a part of a text, hex; the text's own where it is the whole text."""
    if (start, end) == (0, len(text)):
        return digest
    return hashlib.sha256(text[start:end].encode()).hexdigest()


def add_origins(conn: Connection, job_id: str, corpus: str | None, rows: Iterable[Row]) -> None:
    """Add the origins of the staged texts. rows: number of the text, id, source, line, metadata."""
    _load(conn, _rows, ((i, *row[:4], as_json(row[4])) for i, row in enumerate(rows)))
    of_row = select(
        literal(job_id).label("job_id"),
        STORED.c.document_id,
        _rows.c.external_id,
        _rows.c.source,
        _rows.c.line,
        _rows.c.metadata,
        literal(corpus, Text()).label("corpus"),
    ).join(STORED, STORED.c.n == _rows.c.n)
    _insert(conn, origins, of_row.where(true()).order_by(_rows.c.i))


def add_items(conn: Connection, job_id: str, tasks: Sequence[Task]) -> int:
    """Add a work item for each task and staged chunk; returns how many were new."""
    if not tasks:
        return 0
    each_task = union_all(
        *(select(literal(i).label("i"), literal(str(t)).label("task")) for i, t in enumerate(tasks))
    ).subquery("each_task")
    items = (
        select(
            literal(job_id).label("job_id"),
            _chunk.scalar_subquery().label("chunk_id"),
            each_task.c.task,
        )
        .select_from(_parts.join(STORED, STORED.c.n == _parts.c.n).join(each_task, true()))
        .where(true())
        .order_by(_parts.c.n, _parts.c.ordinal, each_task.c.i)
    )
    return _insert(conn, work_items, items)


def touch_origins(conn: Connection, job_id: str, rows: Sequence[Row]) -> None:
    """Update origins that a job saw unchanged. rows: origin's id, new source, line, metadata."""
    if not rows:
        return
    _load(conn, _seen, ((*row[:3], as_json(row[3])) for row in rows))
    current = {name: _seen.c[name] for name in ("source", "line", "metadata")}
    conn.execute(
        update(origins)
        .where(origins.c.id == _seen.c.id)
        .values(seen_in=bindparam("job", job_id), **current)
    )


def as_json(value: Any) -> str | None:
    """A value as JSON text, for either database."""
    return None if value is None else json.dumps(value)


def _mark_shared(conn: Connection) -> None:
    divided_again = sorted(conn.scalars(_DIVIDED_AGAIN))
    for part in pieces(divided_again):
        for table in (entities, relations, events):
            conn.execute(update(table).where(table.c.document_id.in_(part)).values(shared=True))


def _insert(conn: Connection, table: Table, rows: Select[Any]) -> int:
    """Insert rows that are not there; returns how many were new."""
    names = [column.name for column in rows.selected_columns]
    statement = insert_new(conn, table).from_select(names, rows)
    done = conn.execute(statement, execution_options={"preserve_rowcount": True})
    return int(done.rowcount)


def _load(conn: Connection, table: Table, rows: Iterable[Row]) -> None:
    if conn.dialect.name == "postgresql":
        driver: Any = conn.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    else:
        marks = ", ".join("?" * len(table.columns))
        listed = list(rows)
        if listed:
            conn.exec_driver_sql(f"INSERT INTO {table.name} VALUES ({marks})", listed)
