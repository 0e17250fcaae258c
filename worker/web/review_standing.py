"""How far a job that has not ended is, for its page of reviews: what it has not answered yet cannot
be compared, and a person does not wait for it without knowing."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ruie.db.jobs import Job
from ruie.worker.job_status import JobStatus, job_status
from ruie.worker.web.door import Door
from ruie.worker.web.pages import door, render

SOON_S: float | None = 0.5
"""A page waits so long for items to be counted."""
EVERY_S = 3
"""Seconds between two looks at a job that runs."""
OPEN = ("running", "paused")


def standing_of(web: Door, job: Job) -> dict[str, Any]:
    """What the template of it needs. status: None where it was not counted in time."""
    status: JobStatus | None = None
    if job.state in OPEN:
        status = web.kept.soon(("status", job.id), lambda: job_status(web.client, job.id), SOON_S)
    return {"job": job, "is_open": job.state in OPEN, "status": status, "every_s": EVERY_S}


def standing(request: Request) -> Response:
    """How far it is now; where it has ended meanwhile, the whole page is loaded anew."""
    web = door(request)
    job = web.client.job(request.path_params["job_id"])
    shown = render(request, "review_standing.html", **standing_of(web, job))
    if job.state not in OPEN:
        shown.headers["HX-Refresh"] = "true"
    return shown


ROUTES = [Route("/review/{job_id}/standing", standing, name="review_standing")]
