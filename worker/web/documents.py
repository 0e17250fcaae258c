"""The section of documents."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ruie.worker.web.pages import render


def documents(request: Request) -> Response:
    return render(request, "documents.html")


ROUTES = [Route("/documents", documents, name="documents")]
