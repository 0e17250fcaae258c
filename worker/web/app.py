"""The application: its sections, what stands before them, and pages for errors."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from ruie.db.outage import database_error
from ruie.errors import RuieError, UnavailableError, UsageError
from ruie.settings import Settings
from ruie.worker.client import Client
from ruie.worker.web import documents, fleet, jobs, login, review, sql
from ruie.worker.web.door import Door
from ruie.worker.web.pages import HERE, redirect, render
from ruie.worker.web.security import Guard
from ruie.worker.web.sessions import Attempts, Sessions


@dataclass(frozen=True)
class Section:
    """A part of the navigation. start: the name of its first page's route; base: what the paths of
    all its pages begin with."""

    title: str
    start: str
    base: str
    routes: list[Route]


SECTIONS = (
    Section("Jobs", "jobs", "/jobs", jobs.ROUTES),
    Section("Documents", "documents", "/documents", documents.ROUTES),
    Section("Review", "review", "/review", review.ROUTES),
    Section("Fleet", "fleet", "/fleet", fleet.ROUTES),
    Section("SQL", "sql", "/sql", sql.ROUTES),
)


def build_app(
    config: Settings,
    client: Client | None = None,
    *,
    token: str = "",
    prefix: str = "",
    port: int = 0,
) -> Starlette:
    """The pages over the database of the settings.

    token: asked for by a login; empty: none, and only requests to this machine's own names are
    answered. prefix: the path under which a proxy offers the pages (`/ruie`); it may take it off or
    leave it. port: of the server, part of the cookie's name, since cookies know no ports.
    """
    sessions = Sessions(token)
    guard = Middleware(Guard, sessions=sessions, prefix=prefix, name=f"ruie_session_{port}")
    routes: list[BaseRoute] = [Route("/", _home, name="home"), Route("/health", _health)]
    for section in SECTIONS:
        routes.extend(section.routes)
    app = Starlette(
        routes=[*routes, *login.ROUTES, Mount("/static", _Static(directory=HERE / "static"))],
        middleware=[guard],
        exception_handlers={
            RuieError: _on_error,
            SQLAlchemyError: _on_error,
            HTTPException: _on_error,
            Exception: _on_error,
        },
    )
    app.state.door = Door(config, client or Client(config), prefix)
    app.state.sections = SECTIONS
    app.state.sessions = sessions
    app.state.attempts = Attempts()
    return app


class _Static(StaticFiles):
    """Files whose addresses change with each version; those that a script imports have none in
    their addresses, and the browser asks each time whether they changed."""

    async def get_response(self, path: str, scope: object) -> Response:
        response = await super().get_response(path, scope)  # type: ignore[arg-type]  # as given
        versioned = isinstance(scope, dict) and scope.get("query_string")
        response.headers["Cache-Control"] = "public, max-age=86400" if versioned else "no-cache"
        return response


def _home(request: Request) -> Response:
    return redirect(request, "jobs")


def _health(_: Request) -> Response:
    return PlainTextResponse("ok")


def _on_error(request: Request, error: Exception) -> Response:
    told = database_error(error) or error
    match told:
        case HTTPException(status_code=404):
            status, message, hint = 404, "There is no such page.", "The pages are named above."
        case HTTPException():
            status, message, hint = told.status_code, told.detail, ""
        case UsageError():
            status, message, hint = 400, told.message, told.hint
        case UnavailableError():
            status, message, hint = 503, told.message, told.hint
        case RuieError():
            # something that is not there, or that the state of a job does not allow
            status = 404 if request.method in ("GET", "HEAD") else 409
            status, message, hint = 500 if told is not error else status, told.message, told.hint
        case _:
            status, message, hint = 500, "The page failed.", "The log of `ruie web` says why."
    return render(request, "error.html", status, message=message, hint=hint)
