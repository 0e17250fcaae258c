"""The login: one token, a form, a cookie."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ruie.worker.web.pages import form, redirect, render
from ruie.worker.web.sessions import Attempts, Sessions


def show(request: Request) -> Response:
    if request.scope["state"]["session"].known:
        return redirect(request, "jobs")
    return render(request, "login.html", problem="")


def login(request: Request) -> Response:
    sessions: Sessions = request.app.state.sessions
    attempts: Attempts = request.app.state.attempts
    who = request.client.host if request.client else ""
    if wait_s := attempts.wait_s(who):
        problem = f"Too many wrong tokens: try again in {wait_s} s."
        page = render(request, "login.html", 429, problem=problem)
        page.headers["Retry-After"] = str(wait_s)
        return page
    if not sessions.is_token(form(request).get("token", "")):
        attempts.failed(who)
        return render(request, "login.html", 403, problem="This is not the token.")
    # another identifier than before the login, which somebody may have planted
    request.scope["state"]["issue"] = sessions.new(known=True)
    return redirect(request, "jobs")


def logout(request: Request) -> Response:
    request.scope["state"]["leave"] = True
    return redirect(request, "login")


ROUTES = [
    Route("/login", show, name="login"),
    Route("/login", login, methods=["POST"]),
    Route("/logout", logout, name="logout", methods=["POST"]),
]
