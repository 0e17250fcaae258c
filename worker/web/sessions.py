"""Signed session cookies, the token of forms, and how often a login may be tried."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

LIFE_S = 12 * 3600
"""A session ends so many seconds after its login."""
TRIES = 5
"""Wrong tokens from one address in `TRIES_S`, and ten times as many from all together."""
TRIES_S = 60.0


@dataclass(frozen=True)
class Session:
    """Who asks: an identifier that only this browser knows, and whether it has logged in."""

    id: str
    known: bool


class Sessions:
    """Issues sessions and knows its own again; keeps nothing of them."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        # From the token, so that sessions outlive a restart and end when the token is changed.
        key = hmac.digest(self._token, b"ruie web sessions", "sha256")
        self._key = key if token else secrets.token_bytes(32)
        self.needs_login = bool(token)

    def new(self, known: bool = False) -> Session:
        return Session(secrets.token_urlsafe(18), known or not self.needs_login)

    def cookie(self, session: Session) -> str:
        """The session as a cookie's value, with the time at which it ends."""
        body = f"{session.id}.{int(time.time()) + LIFE_S}.{int(session.known)}"
        return f"{body}.{self._sign(f'session {body}')}"

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie that was issued here and has not ended."""
        body, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(f"session {body}").encode()):
            return None
        id_, ends, known = body.split(".")
        return Session(id_, known == "1") if int(ends) > time.time() else None

    def form_token(self, session: Session) -> str:
        """What a form has to bring: only a page of this session can know it."""
        return self._sign(f"form {session.id} {int(session.known)}")

    def is_form_token(self, session: Session, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.form_token(session).encode())

    def proof(self, said: str) -> str:
        """Shows that a remark in an address was written here, and by nobody who made a link."""
        return self._sign(f"said {said}")[:20]

    def is_token(self, given: str) -> bool:
        # the digests, so that the comparison does not tell the token's length
        mine, theirs = (hashlib.sha256(each).digest() for each in (self._token, given.encode()))
        return self.needs_login and hmac.compare_digest(mine, theirs)

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), "sha256").hexdigest()


class Attempts:
    """Counts wrong tokens by address. now: a clock, seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failed: deque[tuple[float, str]] = deque()
        self._lock = threading.Lock()

    def wait_s(self, who: str) -> int:
        """Seconds until this address may try again; 0: at once."""
        with self._lock:
            now = self._now()
            while self._failed and self._failed[0][0] <= now - TRIES_S:
                self._failed.popleft()
            own = [at for at, other in self._failed if other == who]
            times = own if len(own) >= TRIES else [at for at, _ in self._failed]
            many = len(own) >= TRIES or len(times) >= 10 * TRIES
            return int(times[0] + TRIES_S - now) + 1 if many else 0

    def failed(self, who: str) -> None:
        with self._lock:
            self._failed.append((self._now(), who))
