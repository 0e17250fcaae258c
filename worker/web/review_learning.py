"""Learning from reviews on the page: what it would make and cost, and then doing it.

Both read every document of the job, which takes minutes where there are many: they go on in the
background, and the page shows how far they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ruie.db import demonstrations
from ruie.db.engine import reading
from ruie.db.jobs import Job
from ruie.db.review_progress import document_count
from ruie.errors import RuieError, UsageError
from ruie.worker import learning
from ruie.worker.ingest.enqueue import Enqueued, EnqueueProgress
from ruie.worker.web.door import Door
from ruie.worker.web.long_tasks import LongTask
from ruie.worker.web.pages import door, form, redirect, render

SOON_S: float | None = 1.5
"""A page waits so long for what is counted or enqueued; then it shows how far that is, and asks
again after so many seconds:"""
AGAIN_S = 1


@dataclass(frozen=True, slots=True)
class _Key:
    """Of a task: what is done with which job. digest: of the demonstrations, of a count."""

    what: str
    job_id: str
    digest: str = ""


def learn_cost(request: Request) -> Response:
    """What learning would make, and what asking the job's documents again would cost."""
    web = door(request)
    job = web.client.job(request.path_params["job_id"])
    try:
        lesson = learning.prepare(web.engine, job)
        digest = demonstrations.digest_of(lesson.rows)
        cost = None
        if job.corpus is None:
            key = _Key("cost", job.id, digest)
            task = web.tasks.begin(key, _documents(web, job), _count(web, lesson))
            if not task.ended(SOON_S):
                return _progress(request, job, task, "Counting", "review_learn_cost")
            web.tasks.forget(key)
            cost = task.outcome.result()
    except RuieError as error:
        return render(request, "review_learn.html", job=job, problem=error)
    return render(
        request,
        "review_learn.html",
        job=job,
        problem=None,
        lesson=lesson,
        cost=cost,
        digest=digest,
    )


def learn(request: Request) -> Response:
    """Put what was shown in force, and ask the job's documents again in a new job."""
    web = door(request)
    job = web.client.job(request.path_params["job_id"])
    key = _Key("learn", job.id)
    going_on = web.tasks.get(key)
    if going_on is not None and not going_on.outcome.done():
        return redirect(request, "review_job", job_id=job.id)
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
    web.tasks.forget(key)
    task = web.tasks.begin(key, _documents(web, job), _ask_again(web, job, version))
    if not task.ended(SOON_S):
        return redirect(request, "review_job", f"Version {version} is in force.", job_id=job.id)
    web.tasks.forget(key)
    done: Enqueued = task.outcome.result()
    said = f"Version {version} is in force; what changed is asked again in this job."
    return redirect(request, "review_job", said, job_id=done.job_id)


def learn_state(request: Request) -> Response:
    """How far asking again is, for the page of the job."""
    web = door(request)
    job = web.client.job(request.path_params["job_id"])
    task = web.tasks.get(_Key("learn", job.id))
    if task is None:
        return render(request, "review_learned.html", job_id="", documents=0)
    if not task.outcome.done():
        return _progress(request, job, task, "Enqueueing", "review_learn_state")
    try:
        done: Enqueued = task.outcome.result()
    except RuieError as error:
        return render(request, "review_learn.html", job=job, problem=error)
    return render(request, "review_learned.html", job_id=done.job_id, documents=done.documents)


def is_learning(web: Door, job: Job) -> bool:
    """Whether the job's documents are being asked again, or were by this process."""
    return web.tasks.get(_Key("learn", job.id)) is not None


def _count(web: Door, lesson: learning.Lesson) -> Callable[[LongTask], object]:
    def count(task: LongTask) -> object:
        def progress(documents: int) -> None:
            task.done = documents

        return learning.cost(web.config, web.engine, lesson, progress)

    return count


def _ask_again(web: Door, job: Job, version: int) -> Callable[[LongTask], object]:
    def ask(task: LongTask) -> object:
        def progress(so_far: EnqueueProgress) -> None:
            task.done, task.note = so_far.documents, so_far.job_id

        return learning.ask_again(web.engine, job, version, web.config, progress)

    return ask


def _progress(request: Request, job: Job, task: LongTask, what: str, name: str) -> Response:
    """name: the route that is asked again."""
    return render(
        request, "review_learn_progress.html", job=job, task=task, what=what, again=name,
        every_s=AGAIN_S,
    )  # fmt: skip  # the page's values


def _documents(web: Door, job: Job) -> int:
    with reading(web.engine) as conn:
        return document_count(conn, job.id)


_LEARN = "/review/{job_id}/learn"
ROUTES = [
    Route(_LEARN, learn_cost, name="review_learn_cost"),
    Route(_LEARN + "/begin", learn, name="review_learn", methods=["POST"]),
    Route(_LEARN + "/state", learn_state, name="review_learn_state"),
]
