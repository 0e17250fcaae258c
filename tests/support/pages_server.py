"""`ruie web` on a free port, and a visitor who keeps cookies and fills in forms."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from urllib.parse import urlencode, urlsplit

from ruie.settings import Settings
from ruie.worker.web.server import WebServer

PATIENCE_S = 60.0
"""Far longer than any page takes."""


@contextmanager
def serving(config: Settings, token: str = "", prefix: str = "") -> Iterator[str]:
    """The address of the pages, without a slash at its end."""
    server = WebServer(config, "127.0.0.1", 0, token, prefix)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server.url.rstrip("/")
    finally:
        server.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@dataclass(frozen=True)
class Page:
    """What came back. headers: by their names in small letters, the last of each."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    @property
    def words(self) -> str:
        """What a person reads: without tags, white space as single spaces."""
        body = re.sub(r"<(script|style|head)\b.*?</\1>", "", self.text, flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf-token" content="([^"]*)"', self.text)
        assert found, self.text
        return found[1]

    def link(self, start: str) -> str:
        """The address of the first link whose address begins so."""
        found = re.search(rf'href="({re.escape(start)}[^"]*)"', self.text)
        assert found, (start, self.text)
        return unescape(found[1])


class Visitor:
    """url: of the server; paths are given from its root, with the prefix."""

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **headers: str) -> Page:
        return self.send("GET", path, None, headers)

    def post(self, path: str, fields: Mapping[str, str], of: Page, **headers: str) -> Page:
        """Send a form of a page, and follow where it leads."""
        sent = {"csrf_token": of.csrf, **fields}
        done = self.send("POST", path, sent, headers)
        return self.get(done.headers["location"]) if done.status == 303 else done

    def send(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """headers: `_` in a name stands for `-`."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE_S)
        given = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        if self.cookies:
            given["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = None
        if fields is not None:
            body = urlencode(fields)
            given.setdefault("Content-Type", "application/x-www-form-urlencoded")
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        content = answer.read()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                cookie, _, rest = value.partition(";")
                key, _, kept = cookie.partition("=")
                self.cookies[key] = kept
                if "Max-Age=0" in rest:
                    del self.cookies[key]
        connection.close()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return Page(answer.status, told, content)
