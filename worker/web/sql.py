"""The section of sql."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ruie.worker.web.pages import render


def sql(request: Request) -> Response:
    return render(request, "sql.html")


ROUTES = [Route("/sql", sql, name="sql")]
