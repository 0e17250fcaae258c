"""From a request to a page: templates, addresses, fields of a form."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ruie import __version__
from ruie.errors import UsageError
from ruie.worker.web import shown
from ruie.worker.web.door import Door

HERE = Path(__file__).parent


def door(request: Request) -> Door:
    """What the pages ask and change."""
    return cast(Door, request.app.state.door)


def address(request: Request, name: str, query: dict[str, Any] | None = None, **path: Any) -> str:
    """The address of a route, with the prefix. query: what is None or empty is left out."""
    found = f"{door(request).prefix}{request.app.url_path_for(name, **path)}"
    given = {key: value for key, value in (query or {}).items() if value not in (None, "")}
    return f"{found}?{urlencode(given)}" if given else found


def static(request: Request, file: str) -> str:
    """The address of a file of static/, another one in each version."""
    return f"{door(request).prefix}/static/{file}?{__version__}"


def render(request: Request, template: str, code: int = 200, **values: Any) -> HTMLResponse:
    """A page made from a template."""
    state = request.scope["state"]
    html = _templates().get_template(template).render(
        request=request,
        sections=request.app.state.sections,
        current_path=request.url.path.removeprefix(door(request).prefix),
        path=lambda name, query=None, **path: address(request, name, query, **path),
        static=lambda file: static(request, file),
        csrf=state.get("csrf", ""),
        may_leave=state.get("may_leave", False),
        said=_said(request),
        version=__version__,
        **values,
    )  # fmt: skip  # its arguments
    # half a pair of surrogates cannot be sent to a browser
    return HTMLResponse(html.encode("utf-8", "replace"), code)


def redirect(request: Request, name: str, said: str = "", **path: Any) -> Response:
    """Go on to a page, which shows what was done."""
    query = {"said": said, "proof": request.app.state.sessions.proof(said)} if said else {}
    return RedirectResponse(address(request, name, query, **path), 303)


def _said(request: Request) -> str:
    said, proof = (request.query_params.get(name, "") for name in ("said", "proof"))
    return said if said and proof == request.app.state.sessions.proof(said) else ""


def form(request: Request) -> dict[str, str]:
    """The fields of a form that was sent; of a field that came twice, the last."""
    return cast("dict[str, str]", request.scope["state"].get("form", {}))


def json_body(request: Request) -> Any:
    """The JSON that was sent. Raises `UsageError`."""
    try:
        return json.loads(request.scope["state"].get("body", b""))
    except ValueError as error:
        raise UsageError(f"What was sent is no JSON: {error}.", "Reload the page.") from None


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,  # of every template, whatever its name: texts and types are strangers'
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(shown.FILTERS)
    return made
