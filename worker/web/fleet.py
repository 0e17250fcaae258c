"""The section of fleet."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ruie.worker.web.pages import render


def fleet(request: Request) -> Response:
    return render(request, "fleet.html")


ROUTES = [Route("/fleet", fleet, name="fleet")]
