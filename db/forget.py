"""Forgetting documents: texts, names, records, reviews and raw answers are blanked or deleted.

The row of a document stays, with the hash of its text and the time: that is the mark by which the
text is refused when a source has it again. Its work items and calls stay too, without content, so
that the counts of jobs and what was spent remain true.

It takes two steps, since an answer about the document may be on its way: `mark`, from which on
nothing new is asked, and `blank` (db/erasure.py), once no worker holds an
item of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, String, Table, cast, func, literal, select, update

from ruie.db import provider_lines
from ruie.db.cancelling import cancel_waiting
from ruie.db.erasure import chunks_of
from ruie.db.forgotten_requests import FORGOTTEN
from ruie.db.item_states import LEASED
from ruie.db.models import documents, entities, events, origins, relations, reviews, work_items
from ruie.db.sql import in_values, pieces
from ruie.db.types import storable, utcnow


@dataclass(frozen=True, slots=True)
class Found:
    """A document that can be forgotten. ids: under which it was read, wherever."""

    document_id: int
    chars: int
    ids: tuple[str, ...]
    jobs: tuple[str, ...]
    records: int
    reviews: int


@dataclass(frozen=True, slots=True)
class Mark:
    """The trace of a forgotten document. number: by which `lift` takes it away."""

    number: int
    digest: str
    at: str


def find(conn: Connection, ids: Sequence[str], corpus: str | None = None) -> list[Found]:
    """The documents that were read under these ids, in one corpus or anywhere."""
    named = select(origins.c.document_id).where(
        in_values(conn, origins.c.external_id, [storable(each) for each in ids])
    )
    if corpus is not None:
        named = named.where(origins.c.corpus == corpus)
    wanted = select(documents.c.id, documents.c.chars).where(
        documents.c.id.in_(named), documents.c.forgotten_at.is_(None)
    )
    return [
        Found(
            row.id,
            row.chars,
            _origins(conn, origins.c.external_id, row.id),
            _origins(conn, origins.c.job_id, row.id),
            sum(_count(conn, table, row.id) for table in (entities, relations, events)),
            _count(conn, reviews, row.id),
        )
        for row in conn.execute(wanted.order_by(documents.c.id)).all()
    ]


def _origins(conn: Connection, column: Column[str], document_id: int) -> tuple[str, ...]:
    of_document = select(column).distinct().where(origins.c.document_id == document_id)
    return tuple(sorted(conn.scalars(of_document)))


def _count(conn: Connection, table: Table, document_id: int) -> int:
    counted = select(func.count()).where(table.c.document_id == document_id)
    return int(conn.execute(counted).scalar_one())


def mark(conn: Connection, document_ids: Sequence[int]) -> int:
    """Mark them, and cancel their items that no worker holds; requests of them that wait for a
    batch are not sent. Returns how many items a worker still holds."""
    for some in pieces(document_ids):
        conn.execute(
            update(documents)
            .where(documents.c.id.in_(some), documents.c.forgotten_at.is_(None))
            .values(forgotten_at=utcnow())
        )
    held = 0
    for some in pieces(document_ids):
        of_documents = work_items.c.chunk_id.in_(chunks_of(some))
        cancel_waiting(conn, of_documents)
        leased = select(func.count()).where(of_documents, work_items.c.state == LEASED)
        held += int(conn.execute(leased).scalar_one())
    while provider_lines.return_unwanted(conn):
        pass
    return held


def texts(conn: Connection, document_ids: Sequence[int]) -> list[str]:
    """Of the documents."""
    return list(conn.scalars(select(documents.c.text).where(documents.c.id.in_(document_ids))))


def forgotten(conn: Connection, digests: Sequence[str]) -> set[str]:
    """Those of the texts' digests that are of forgotten documents."""
    query = select(documents.c.digest).where(
        in_values(conn, documents.c.digest, digests), documents.c.forgotten_at.is_not(None)
    )
    return set(conn.scalars(query))


def marks(conn: Connection) -> list[Mark]:
    """What is forgotten, oldest first."""
    query = select(documents.c.id, documents.c.digest, documents.c.forgotten_at)
    query = query.where(documents.c.forgotten_at.is_not(None)).order_by(documents.c.id)
    return [Mark(row.id, row.digest, f"{row.forgotten_at:%Y-%m-%d %H:%M:%S}")
            for row in conn.execute(query)]  # fmt: skip


def lift(conn: Connection, number: int) -> bool:
    """Take a mark away, so that the text may be read again; nothing of it comes back by that.
    Returns whether there was one."""
    of_mark = (
        documents.c.id == number,
        documents.c.forgotten_at.is_not(None),
        documents.c.chars == 0,
    )
    taken = conn.execute(
        update(documents).where(*of_mark).values(
            digest=literal(f"{FORGOTTEN} ") + cast(documents.c.id, String), forgotten_at=None
        )
    )  # fmt: skip
    return bool(taken.rowcount)
