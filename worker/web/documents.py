"""Documents: pages of them, one with its records marked, and where each record comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ruie import marked_html
from ruie.db import calls, search_index
from ruie.db import jobs as stored
from ruie.db.document_pages import (
    DocumentFilter,
    DocumentPage,
    corpora,
    document_page,
    origins_of,
    schema_bodies,
)
from ruie.db.engine import reading
from ruie.db.record_order import documents_in_source_order
from ruie.db.search import Hit, search
from ruie.errors import DatabaseError
from ruie.prompts import render as rendered
from ruie.schema import Schema
from ruie.worker.export.document_notes import notes
from ruie.worker.web.marking import marked_text, records
from ruie.worker.web.pages import door, render
from ruie.worker.web.provenance import provenance

PAGE = 50
FOUND = 200
"""Documents with the words that are looked at for a page, where there are other filters too."""
LONGEST_PLACE = 10
"""Digits of a place among the documents that a search found, and one."""
JOBS = 200
"""Jobs to choose from."""


def listed(request: Request) -> Response:
    """Documents that pass a filter, or that have words, the best first."""
    web = door(request)
    given = {name: request.query_params.get(name, "").strip() for name in FIELDS}
    wanted = DocumentFilter(
        given["job"], given["corpus"], given["type"], given["key"], given["value"]
    )
    with reading(web.engine) as conn:
        job = stored.get_job(conn, wanted.job_id) if wanted.job_id else None
        bodies = [job.schema_body] if job else schema_bodies(conn)
        if given["words"]:
            page, found = _with_words(conn, given["words"], wanted, request)
        else:
            page = document_page(conn, wanted, request.query_params.get("after"), PAGE)
            found = None
        values: dict[str, Any] = {
            "jobs": stored.list_jobs(conn, limit=JOBS),
            "corpora": corpora(conn),
        }
    return render(
        request, "documents.html", page=page, given=given, found=found,
        types=_types(bodies), **values,
        first="after" not in request.query_params, snippet=snippet,
    )  # fmt: skip  # the page's values


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found. total: documents that have the words. first, last: the places of those
    that were looked at for this page, from 1. waiting: documents that are not indexed yet."""

    hits: dict[int, Hit]
    total: int
    first: int
    last: int
    waiting: int


def _with_words(
    conn: Connection, words: str, wanted: DocumentFilter, request: Request
) -> tuple[DocumentPage, Found]:
    """A page of documents that have the words and pass the filter, the best first."""
    after = request.query_params.get("after", "")
    offset = int(after) if after.isdecimal() and len(after) < LONGEST_PLACE else 0
    filtered = bool(wanted.type or wanted.key or wanted.corpus)
    limit = FOUND if filtered else PAGE
    result = search(conn, words, job_id=wanted.job_id or None, limit=limit, offset=offset)
    hits = {hit.document_id: hit for hit in result.hits}
    last = offset + len(hits)
    page = document_page(conn, replace(wanted, ids=tuple(hits)))
    more = str(last) if last < result.total and hits else None
    page = replace(page, after=more, passed=len(hits) if filtered else 0)
    waiting = search_index.count_waiting(conn)
    return page, Found(hits, result.total, offset + 1, last, waiting)


FIELDS = ("job", "corpus", "type", "key", "value", "words")


def snippet(hit: Hit) -> list[tuple[str, bool]]:
    """The pieces of a snippet, each with whether it is a match."""
    text, at = hit.snippet.text, 0
    pieces: list[tuple[str, bool]] = []
    for start, end in hit.snippet.marks:
        pieces += [(text[at:start], False), (text[start:end], True)]
        at = end
    return [*pieces, (text[at:], False)]


def one(request: Request) -> Response:
    """A document with the records of one job."""
    web = door(request)
    document_id = request.path_params["document"]
    with reading(web.engine) as conn:
        places = origins_of(conn, document_id)
        wanted = request.query_params.get("job") or (places[0].job_id if places else "")
        if not wanted:
            raise DatabaseError(
                f"There is no document {document_id}.", "It may have been forgotten."
            )
        job = stored.get_job(conn, wanted)
        made = calls.calls_of_document(conn, job.id, document_id)
    found = list(documents_in_source_order(web.engine, job.id, limit=1, document=document_id))
    if not found:
        raise DatabaseError(
            f"The job {job.id} has no document {document_id}.", "Its page lists those it has."
        )
    tasks = Schema.from_body(job.schema_body).tasks
    return render(
        request, "document.html", document=found[0], job=job, places=places, calls=made,
        text=Markup(marked_text(found[0])), records=records(found[0]),
        notes=Markup(notes(found[0], tasks)),
    )  # fmt: skip  # the page's values


def colours(request: Request) -> Response:
    """The colours of a schema's types, and what marks look like."""
    job = door(request).client.job(request.path_params["job_id"])
    schema = Schema.from_body(job.schema_body)
    types = {"entity": schema.entities, "relation": schema.relations, "event": schema.events}
    body = marked_html.style() + marked_html.colours(types)
    return Response(body, media_type="text/css", headers={"Cache-Control": "private, max-age=600"})


def call(request: Request) -> Response:
    """A call: what was asked, what was answered, what it cost."""
    web = door(request)
    with reading(web.engine) as conn:
        made = calls.get_call(conn, request.path_params["call"])
        job = stored.get_job(conn, made.job_id)
    origin = provenance(web, made, job) if made.source == "model" else None
    form = job.settings.decoding.form
    return render(
        request, "call.html", call=made, job=job, origin=origin,
        answer=lambda each: rendered(each.items, each.task, form),
    )  # fmt: skip  # the page's values


def _types(bodies: Sequence[Any]) -> Sequence[str]:
    """The types of schemas, each once."""
    schemas = [Schema.from_body(body) for body in bodies]
    found = {type_ for one in schemas for type_ in (*one.entities, *one.relations, *one.events)}
    return sorted(found, key=str.casefold)


ROUTES = [
    Route("/documents", listed, name="documents"),
    Route("/documents/{document:int}", one, name="document"),
    Route("/documents/types/{job_id}.css", colours, name="type_colours"),
    Route("/documents/calls/{call:int}", call, name="call"),
]
