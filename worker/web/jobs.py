"""The section of jobs."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ruie.worker.web.pages import render


def jobs(request: Request) -> Response:
    return render(request, "jobs.html")


ROUTES = [Route("/jobs", jobs, name="jobs")]
