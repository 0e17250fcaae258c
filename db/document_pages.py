"""Pages of documents, as people look through them: filtered, and fast in a corpus of any size.

A page continues after the last row of the one before by an index; nothing is counted. A filter that
few documents pass looks at `SCANNED` rows at most, and the next page goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
)

from ruie.db.models import documents, entities, events, jobs, origins, relations, reviews, schemas

SCANNED = 10_000
FEW = 500
"""So many are looked at first: of what is frequent they fill a page, in a twentieth of the time."""
EXCERPT = 240
"""Characters of a text on a page."""
_KINDS = (entities, relations, events)


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """What documents must have; "" or None: anything. type: of a record, of any job's. key, value:
    an entry of the metadata, as text. ids: only these documents, in this order."""

    job_id: str = ""
    corpus: str = ""
    type: str = ""
    key: str = ""
    value: str = ""
    ids: Sequence[int] | None = None

    @property
    def named(self) -> bool:
        """Whether rows are in the order of the documents' names: with a job or a corpus there is
        an index of them. Without, the newest come first."""
        return bool(self.job_id or self.corpus)

    @property
    def scans(self) -> bool:
        """Whether rows are passed over."""
        return bool(self.type or self.key or (self.job_id and self.corpus))


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """An origin of a document. row: the origin's id."""

    row: int
    id: int
    job_id: str
    job_name: str
    external_id: str
    corpus: str | None
    state: str
    meta: Any
    chars: int
    excerpt: str
    created_at: datetime
    reviewed: bool


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """after: where the next page begins; None: this is the last one. passed: rows that were looked
    at where the page is not full although there may be more, else 0."""

    documents: tuple[ListedDocument, ...]
    after: str | None
    passed: int = 0


def document_page(
    conn: Connection, wanted: DocumentFilter, after: str | None = None, size: int = 50
) -> DocumentPage:
    """A page of documents. after: of the page before."""
    if wanted.ids is not None:
        return _of_ids(conn, wanted)
    key = _key(wanted)
    for most in (min(FEW, SCANNED), SCANNED) if wanted.scans else (size + 1,):
        looked = _window(wanted, after).limit(most).subquery()
        query = _rows().join(looked, looked.c.row == origins.c.id).where(*_conditions(conn, wanted))
        ordered = query.order_by(key.asc() if wanted.named else key.desc()).limit(size + 1)
        rows = conn.execute(ordered).all()
        if len(rows) > size:
            return DocumentPage(_listed(rows[:size]), _cursor(wanted, rows[size - 1]))
        edge = func.max(looked.c.key) if wanted.named else func.min(looked.c.key)
        passed, last = conn.execute(select(func.count(), edge).select_from(looked)).one()
        if passed < most or not wanted.scans:
            return DocumentPage(_listed(rows), None)
    return DocumentPage(_listed(rows), str(last), passed)


def origins_of(conn: Connection, document_id: int, limit: int = 50) -> tuple[ListedDocument, ...]:
    """Where a document was read, the last job first."""
    query = _rows().where(origins.c.document_id == document_id).order_by(origins.c.id.desc())
    return _listed(conn.execute(query.limit(limit)).all())


def corpora(conn: Connection, limit: int = 200) -> list[str]:
    """The names of the corpora that jobs have, sorted."""
    query = select(jobs.c.corpus).where(jobs.c.corpus.is_not(None)).distinct()
    return list(conn.scalars(query.order_by(jobs.c.corpus).limit(limit)))


def schema_bodies(conn: Connection, limit: int = 200) -> list[Any]:
    """The schemas that there are, the last first."""
    return list(
        conn.scalars(select(schemas.c.body).order_by(schemas.c.created_at.desc()).limit(limit))
    )


def _of_ids(conn: Connection, wanted: DocumentFilter) -> DocumentPage:
    ids = list(wanted.ids or ())
    first = select(func.min(origins.c.id)).where(origins.c.document_id.in_(ids), *_of(wanted))
    query = _rows().where(
        origins.c.id.in_(first.group_by(origins.c.document_id)), *_conditions(conn, wanted)
    )
    place = {id_: number for number, id_ in enumerate(ids)}
    rows = sorted(conn.execute(query).all(), key=lambda row: place[row.id])
    return DocumentPage(_listed(rows), None)


def _key(wanted: DocumentFilter) -> Column[Any]:
    return origins.c.external_id if wanted.named else origins.c.id


def _cursor(wanted: DocumentFilter, row: Any) -> str:
    return str(row.external_id if wanted.named else row.row)


def _window(wanted: DocumentFilter, after: str | None) -> Select[Any]:
    """The rows of the order, from the last page on, by an index alone."""
    key = _key(wanted)
    query = select(origins.c.id.label("row"), key.label("key"))
    if wanted.job_id:
        query = query.where(origins.c.job_id == wanted.job_id)
    elif wanted.corpus:
        query = query.where(*_of(wanted))
    if after is not None and wanted.named:
        query = query.where(key > after)
    elif after is not None and after.isdecimal():
        query = query.where(key < int(after))
    return query.order_by(key.asc() if wanted.named else key.desc())


def _of(wanted: DocumentFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.job_id:
        found.append(origins.c.job_id == wanted.job_id)
    if wanted.corpus:
        found += [origins.c.corpus == wanted.corpus, origins.c.state == "current"]
    return found


def _conditions(conn: Connection, wanted: DocumentFilter) -> list[ColumnElement[bool]]:
    found = _of(wanted)
    if wanted.type:
        found.append(
            or_(
                *(
                    exists().where(t.c.document_id == documents.c.id, t.c.type == wanted.type)
                    for t in _KINDS
                )
            )
        )
    if wanted.key:
        found.append(_metadata_is(conn, wanted.key, wanted.value))
    return found


def _metadata_is(conn: Connection, key: str, value: str) -> ColumnElement[bool]:
    """An entry of the metadata, as text, is this; "": it is there."""
    meta = origins.c.metadata
    raw = meta.op("->")(literal(key, String))
    as_text = cast(meta.op("->>")(literal(key, String)), String)
    if not value:
        return as_text.is_not(None)
    if value in ("true", "false"):  # which SQLite gives as numbers
        return or_(cast(raw, String) == value, cast(raw, String) == f'"{value}"')
    if conn.dialect.name == "sqlite" and value in ("0", "1"):
        return and_(as_text == value, cast(raw, String).not_in(("true", "false")))
    return as_text == value


def _rows() -> Select[Any]:
    reviewed = exists().where(
        reviews.c.document_id == origins.c.document_id, reviews.c.replaced_at.is_(None)
    )
    return (
        select(
            origins.c.id.label("row"),
            documents.c.id,
            origins.c.job_id,
            jobs.c.name.label("job_name"),
            origins.c.external_id,
            origins.c.corpus,
            origins.c.state,
            origins.c.metadata.label("meta"),
            documents.c.chars,
            func.substr(documents.c.text, 1, EXCERPT).label("excerpt"),
            documents.c.created_at,
            reviewed.label("reviewed"),
        )
        .select_from(origins)
        .join(documents, documents.c.id == origins.c.document_id)
        .join(jobs, jobs.c.id == origins.c.job_id)
    )


def _listed(rows: Sequence[Any]) -> tuple[ListedDocument, ...]:
    return tuple(ListedDocument(**row._mapping) for row in rows)
