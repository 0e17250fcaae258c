"""A job's documents in the order of their sources, with what was given up of them and people's
reviews: as a person reads them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import BindParameter, Connection, Engine, bindparam, func, select, text

from ruie.db.engine import reading
from ruie.db.models import origins, quarantine
from ruie.db.record_pages import PAGE, DocumentRecords, GivenUp, Queries, records_of
from ruie.db.reviews import Review, current_reviews
from ruie.db.sql import pieces
from ruie.records import Task

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_LISTED = Queries("IN :ids", _IDS)
_DOCUMENTS = text(
    "SELECT d.id AS id, d.digest AS digest, d.text AS text, '' AS external_id"
    " FROM documents d WHERE d.id IN :ids"
).bindparams(_IDS)


def documents_in_source_order(
    engine: Engine, job: str, *, limit: int, document: int | None = None
) -> Iterator[DocumentRecords]:
    """At most `limit` documents by source and line, each once and where it stands first. document:
    only this id."""
    with reading(engine) as conn:
        named = _in_order(conn, job, limit, document)
        wanted = [one for one in current_reviews(conn, job, document) if one.document_id in named]
    reviews = {review.document_id: review for review in wanted}
    for ids in pieces(list(named), PAGE):
        with reading(engine) as conn:
            page = _read(conn, job, ids, named, reviews)
        yield from page


def _in_order(conn: Connection, job: str, limit: int, document: int | None) -> dict[int, str]:
    """The names of the first documents by their ids, in order."""
    query = (
        select(origins.c.document_id, origins.c.external_id)
        .where(origins.c.job_id == job)
        .order_by(
            func.coalesce(origins.c.source, ""), func.coalesce(origins.c.line, 0), origins.c.id
        )
    )
    if document is not None:
        query = query.where(origins.c.document_id == document)
    named: dict[int, str] = {}
    rows = conn.execute(query, execution_options={"stream_results": True})
    for document_id, external_id in rows:
        named.setdefault(document_id, external_id)
        if len(named) == limit:
            break
    rows.close()
    return named


def _read(
    conn: Connection,
    job: str,
    ids: Sequence[int],
    named: Mapping[int, str],
    reviews: Mapping[int, Review],
) -> list[DocumentRecords]:
    within = {"job": job, "ids": list(ids)}
    rows = conn.execute(_DOCUMENTS, {"ids": list(ids)}).all()
    given_up: defaultdict[int, list[GivenUp]] = defaultdict(list)
    for row in conn.execute(
        select(quarantine)
        .where(quarantine.c.job_id == job, quarantine.c.document_id.in_(ids))
        .order_by(quarantine.c.work_item_id)
    ):
        given_up[row.document_id].append(
            GivenUp(Task(row.task), row.error_class, row.error, row.attempts)
        )
    found = {
        one.id: replace(
            one,
            external_id=named[one.id],
            given_up=tuple(given_up[one.id]),
            review=reviews.get(one.id),
        )
        for one in records_of(conn, rows, _LISTED, within)
    }
    return [found[each] for each in ids if each in found]
