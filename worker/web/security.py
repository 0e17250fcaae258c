"""What stands before every page: the host's name, the session, forged requests, headers."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ruie.worker.web.sessions import LIFE_S, Session, Sessions

LARGEST_BODY = 4_000_000
"""Bytes of a request, at most."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
OPEN = ("/login", "/static/", "/health")
"""Paths that need no login."""
NO_SESSION = ("/static/", "/health")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Guard:
    """The middleware around the application. name: of the cookie."""

    def __init__(self, app: ASGIApp, sessions: Sessions, prefix: str, name: str) -> None:
        self.app, self.sessions, self.prefix, self.name = app, sessions, prefix, name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self.prefix:
            scope = {**scope, "root_path": self.prefix}
        headers = Headers(scope=scope)
        session, fresh = self._session(headers)
        sender = self._sender(scope, headers, session if fresh else None, send)
        scope.setdefault("state", {}).update(
            session=session,
            csrf=self.sessions.form_token(session),
            may_leave=self.sessions.needs_login and session.known,
        )
        refusal = self._refusal(scope, headers, session)
        if refusal is None and scope["method"] not in ("GET", "HEAD"):
            refusal, receive = await self._unsafe(scope, headers, session, receive)
        await (refusal or self.app)(scope, receive, sender)

    def _session(self, headers: Headers) -> tuple[Session, bool]:
        """The session of the request, and whether it has to be told to the browser."""
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            cookies = SimpleCookie()
        for name in (self.name, f"{self.name}_visit"):
            if given := cookies.get(name):
                found = self.sessions.read(given.value)
                # a visitor's session does not become another one's by standing in its cookie
                if found and found.known is (name == self.name):
                    return found, False
        return self.sessions.new(), True

    def _refusal(self, scope: Scope, headers: Headers, session: Session) -> Response | None:
        if not self.sessions.needs_login:
            # A page elsewhere may give a name of its own this address (DNS rebinding) and would
            # then be read as one of ours: only a browser that asked for this machine is answered.
            if _host(headers.get("host", "")) not in _LOOPBACK:
                return _refused("This address is answered for 127.0.0.1 and localhost alone.")
            if "x-forwarded-for" in headers or "forwarded" in headers:
                return _refused("Behind a proxy `ruie web` needs a token: RUIE_WEB_TOKEN.")
            return None
        if session.known or self._path(scope).startswith(OPEN):
            return None
        if headers.get("hx-request") or scope["method"] not in ("GET", "HEAD"):
            gone = Response("Log in first.", 401, media_type="text/plain")
            gone.headers["HX-Redirect"] = f"{self.prefix}/login"
            return gone
        return RedirectResponse(f"{self.prefix}/login", 303)

    async def _unsafe(
        self, scope: Scope, headers: Headers, session: Session, receive: Receive
    ) -> tuple[Response | None, Receive]:
        """Read the request whole and refuse it if a page of another site may have sent it."""
        if not _same_origin(headers):
            return _refused("The request came from a page of another address."), receive
        body = await _body(receive)
        if body is None:
            return _refused(f"A request has at most {LARGEST_BODY:,} bytes.", 413), receive
        fields: dict[str, str] = {}
        if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        token = headers.get("x-csrf-token") or fields.pop("csrf_token", "")
        if not self.sessions.is_form_token(session, token):
            return _refused("The form is of a session that has ended: reload its page."), receive
        scope["state"].update(form=fields, body=body)

        given = False

        async def again() -> Message:
            nonlocal given
            if given:  # what follows is that the browser has gone
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        return None, again

    def _sender(self, scope: Scope, headers: Headers, fresh: Session | None, send: Send) -> Send:
        secure = "https" in (scope["scheme"], headers.get("x-forwarded-proto", ""))
        if self._path(scope).startswith(NO_SESSION):
            fresh = None

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    added[name] = value
                added.setdefault("Cache-Control", "no-store")
                if session := scope["state"].get("issue", fresh):
                    added.append("Set-Cookie", self._cookie(session, secure))
                if scope["state"].get("leave"):
                    added.append("Set-Cookie", self._cookie(None, secure))
            await send(message)

        return sending

    def _cookie(self, session: Session | None, secure: bool) -> str:
        """The header that keeps a session in the browser, or without one ends a login.

        A visitor's has a name of its own: a link on another site brings no cookie, and the one that
        is then issued must not take the place of a login's.
        """
        value, life_s = (self.sessions.cookie(session), LIFE_S) if session else ("", 0)
        name = self.name if session is None or session.known else f"{self.name}_visit"
        attributes = f"Path={self.prefix or '/'}; Max-Age={life_s}; HttpOnly; SameSite=Strict"
        return f"{name}={value}; {attributes}{'; Secure' if secure else ''}"

    def _path(self, scope: Scope) -> str:
        return str(scope["path"]).removeprefix(self.prefix) or "/"


async def _body(receive: Receive) -> bytes | None:
    """The body of a request; None where it is too large."""
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(pieces)
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > LARGEST_BODY:
            return None
        if not message.get("more_body"):
            return b"".join(pieces)


def _same_origin(headers: Headers) -> bool:
    """Whether a browser says that a page of ours sent this, or nothing says the contrary."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    # No other site can make a browser send X-Forwarded-Host, and a proxy may change Host.
    ours = {headers.get("host"), headers.get("x-forwarded-host")}
    return urlsplit(origin).netloc in ours


def _host(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _refused(reason: str, status: int = 403) -> Response:
    return PlainTextResponse(reason, status)
