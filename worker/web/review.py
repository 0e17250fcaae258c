"""The section of reviews: which documents to review, the editor, and learning from reviews."""

from __future__ import annotations

from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ruie.db import jobs
from ruie.db.engine import reading
from ruie.db.review_comparison import compare, coverage, standings
from ruie.db.review_progress import (
    TypeAgreement,
    agreement,
    document_count,
    document_counts,
    reviewed_documents,
)
from ruie.errors import RuieError, UsageError
from ruie.formats.jsonl import KEYS
from ruie.records import Task
from ruie.scoring import Score
from ruie.worker.reviewing import Overtaken, store_review
from ruie.worker.web import review_document, review_learning, review_standing
from ruie.worker.web.door import Door
from ruie.worker.web.pages import address, door, json_body, redirect, render
from ruie.worker.web.review_queue import Queues

PAGE = 25
SOON_S: float | None = 0.5
"""A page waits so long for documents to be counted; then it is shown without, and asks again after
so many seconds:"""
AGAIN_S = 2
TITLES = {
    Task.NER: "Entities",
    Task.RE: "Relations",
    Task.ED: "Events",
    Task.EAE: "Arguments",
}


def queues(request: Request) -> Queues:
    """The queues of this process."""
    state = request.app.state
    if not hasattr(state, "review_queues"):
        state.review_queues = Queues(door(request))
    return cast(Queues, state.review_queues)


def review_jobs(request: Request) -> Response:
    """Which job to review; asked by its own page, only the table."""
    web = door(request)
    after = request.query_params.get("after")
    with reading(web.engine) as conn:
        before = jobs.get_job(conn, after) if after else None
        found = jobs.list_jobs(conn, None, PAGE + 1, before)
        reviewed = reviewed_documents(conn)
    listed = found[:PAGE]
    documents = web.kept.soon(
        ("documents", *(job.id for job in listed)),
        lambda: _document_counts(web, [job.id for job in listed]),
        SOON_S,
    )
    fragment = request.headers.get("hx-request") == "true"
    return render(
        request, "review_jobs_rows.html" if fragment else "review_jobs.html", jobs=listed,
        reviewed=reviewed, documents=documents, after=after, every_s=AGAIN_S,
        more=listed[-1].id if len(found) > PAGE else None,
    )  # fmt: skip  # the page's values


def _document_counts(web: Door, listed: list[str]) -> dict[str, int]:
    with reading(web.engine) as conn:
        return document_counts(conn, listed)


def review_job(request: Request) -> Response:
    """A job's page; what takes a while to choose or to compare comes after it."""
    web = door(request)
    job = web.client.job(request.path_params["job_id"])
    with reading(web.engine) as conn:
        reviewed = reviewed_documents(conn, job.id).get(job.id, 0)
        documents = document_count(conn, job.id)
    return render(
        request,
        "review_job.html",
        reviewed=reviewed,
        documents=documents,
        learning=review_learning.is_learning(web, job),
        **review_standing.standing_of(web, job),
    )


def review_agreement(request: Request) -> Response:
    """How far the model and people agree, for the page of the job."""
    web = door(request)
    job = web.client.job(request.path_params["job_id"])
    with reading(web.engine) as conn:
        agreed = agreement(conn, job.id)
        covered = coverage(standings(conn, job))
        compared = compare(conn, job)
        reviewed = reviewed_documents(conn, job.id).get(job.id, 0)
    tasks = []
    for task in Task:
        listed = [one for one in agreed if one.task is task]
        if listed:
            total = TypeAgreement(task, "", sum((one.score for one in listed), Score()))
            tasks.append((TITLES[task], total, listed))
    return render(
        request, "review_agreement.html", job=job, tasks=tasks, reviewed=reviewed,
        covered=covered, compared=compared, titles=TITLES,
    )  # fmt: skip  # the page's values


def review_queue(request: Request) -> Response:
    """The queue alone, for the page of the job."""
    job = door(request).client.job(request.path_params["job_id"])
    anew = request.query_params.get("anew") == "1"
    try:
        entries = queues(request).entries(job, anew=anew)
    except RuieError as error:
        return render(request, "review_queue.html", job=job, entries=[], problem=error)
    return render(request, "review_queue.html", job=job, entries=entries, problem=None)


def review_start(request: Request) -> Response:
    """The first document of the queue that is not reviewed."""
    job = door(request).client.job(request.path_params["job_id"])
    for entry in queues(request).entries(job):
        if not entry.reviewed:
            return redirect(request, "review_document", job_id=job.id, document=entry.id)
    return redirect(request, "review_job", "Every document of the job is reviewed.", job_id=job.id)


def document_page(request: Request) -> Response:
    """The editor."""
    web = door(request)
    job = web.client.job(request.path_params["job_id"])
    number = request.path_params["document"]
    document = review_document.read(web.engine, job, number)
    place = queues(request).place(job, number)
    return render(
        request,
        "review_document.html",
        job=job,
        document=document,
        lost=review_document.lost(document),
        review=review_document.current_review(web.engine, job, number),
        place=place,
        draft=f"{review_document.database_name(web.config.database_url)} {job.id} {number}",
        next=_next(request, job, number),
        previous=place.previous
        and address(request, "review_document", job_id=job.id, document=place.previous),
    )


def document_json(request: Request) -> Response:
    """The document and its records."""
    web = door(request)
    job = web.client.job(request.path_params["job_id"])
    number = request.path_params["document"]
    # the review first: what is saved between the two is then a conflict, and nothing is lost
    review = review_document.current_review(web.engine, job, number)
    document = review_document.read(web.engine, job, number)
    return JSONResponse(review_document.as_json(document, job, review))


def save(request: Request) -> Response:
    """Store a review; 409 with the other one where somebody else has saved meanwhile."""
    web = door(request)
    job = web.client.job(request.path_params["job_id"])
    number = request.path_params["document"]
    try:
        sent = _sent(json_body(request))
        reviewer = review_document.reviewer_name(sent.get("reviewer"))
        document = review_document.read(web.engine, job, number)
        stored = store_review(
            web.engine, job, document, sent["records"], reviewer, sent.get("base")
        )
    except RuieError as error:
        return JSONResponse({"message": error.message, "hint": error.hint}, 400)
    if isinstance(stored, Overtaken):
        return JSONResponse(review_document.conflict(stored.review), 409)
    return JSONResponse({"review": stored.id, "next": _next(request, job, number)})


def _sent(body: Any) -> dict[str, Any]:
    """What the editor sent: {base, reviewer, records}. Raises `UsageError`."""
    base = body.get("base") if isinstance(body, dict) else None
    records = body.get("records") if isinstance(body, dict) else None
    if not isinstance(records, dict) or not (base is None or type(base) is int):
        raise UsageError("What was sent is no review.", "Reload the page.")
    if not set(records) & set(KEYS.values()):
        raise UsageError(
            "Nothing is marked as reviewed.", "Tick what you reviewed, beside the lists of records."
        )
    return cast("dict[str, Any]", body)


def _next(request: Request, job: jobs.Job, number: int) -> str:
    """The address to go on to from a document: where nothing was chosen yet, to what is chosen."""
    place = queues(request).place(job, number)
    if place.next is not None:
        return address(request, "review_document", job_id=job.id, document=place.next)
    return address(request, "review_job" if place.of else "review_start", job_id=job.id)


_JOB = "/review/{job_id}"
_DOCUMENT = _JOB + "/documents/{document:int}"
ROUTES = [
    Route("/review", review_jobs, name="review"),
    Route(_JOB, review_job, name="review_job"),
    Route(_JOB + "/queue", review_queue, name="review_queue"),
    Route(_JOB + "/agreement", review_agreement, name="review_agreement"),
    Route(_JOB + "/start", review_start, name="review_start"),
    Route(_DOCUMENT, document_page, name="review_document"),
    Route(_DOCUMENT + "/records", document_json, name="review_records"),
    Route(_DOCUMENT + "/save", save, name="review_save", methods=["POST"]),
    *review_learning.ROUTES,
    *review_standing.ROUTES,
]
