"""Learning from reviews on the page: what it would make and cost, and then doing it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ruie.db import demonstrations
from ruie.db.engine import reading
from ruie.db.jobs import Job
from ruie.db.review_progress import document_count
from ruie.errors import RuieError, UsageError
from ruie.worker import learning
from ruie.worker.web.door import Door
from ruie.worker.web.pages import door, form, redirect, render

MOST_DOCUMENTS = 50_000
"""Of a job that is asked again from here: a page waits no longer."""


def learn_cost(request: Request) -> Response:
    """What learning would make, and what asking the job's documents again would cost."""
    web = door(request)
    job = web.client.job(request.path_params["job_id"])
    try:
        _check_size(web, job)
        lesson = learning.prepare(web.engine, job)
        again = job.corpus is None
        cost = learning.cost(web.config, web.engine, lesson) if again else None
    except RuieError as error:
        return render(request, "review_learn.html", job=job, problem=error)
    return render(
        request,
        "review_learn.html",
        job=job,
        problem=None,
        lesson=lesson,
        cost=cost,
        digest=demonstrations.digest_of(lesson.rows),
    )


def learn(request: Request) -> Response:
    """Put what was shown in force, and ask the job's documents again in a new job."""
    web = door(request)
    job = web.client.job(request.path_params["job_id"])
    _check_size(web, job)
    lesson = learning.prepare(web.engine, job)
    if form(request).get("digest") != demonstrations.digest_of(lesson.rows):
        raise UsageError(
            "Reviews were saved since the cost was shown.", "Go back and look at it again."
        )
    version = learning.store(web.engine, lesson)
    if job.corpus is not None:
        said = (
            f"Version {version} is in force. `ruie enqueue` of the sources with"
            f" --corpus {job.corpus} --refresh asks its documents again."
        )
        return redirect(request, "review_job", said, job_id=job.id)
    done = learning.ask_again(web.engine, job, version, web.config)
    said = f"Version {version} is in force; what changed is asked again in this job."
    return redirect(request, "review_job", said, job_id=done.job_id)


def _check_size(web: Door, job: Job) -> None:
    with reading(web.engine) as conn:
        documents = document_count(conn, job.id)
    if documents > MOST_DOCUMENTS and job.corpus is None:
        raise UsageError(
            f"The job has {documents:,} documents, more than a page counts.",
            f"`ruie learn {job.id}` does it.",
        )


_LEARN = "/review/{job_id}/learn"
ROUTES = [
    Route(_LEARN, learn_cost, name="review_learn_cost"),
    Route(_LEARN + "/begin", learn, name="review_learn", methods=["POST"]),
]
