"""A web server on a free port that gives files, whole or in parts, and may break off.

with WebServer({"/a.jsonl": b"..."}, cut_at=1_000_000) as server:
    read(server.url + "/a.jsonl")
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit


class WebServer:
    """A running server; a context manager. `requests` has the method and whole path of each.

    parts: answer Range requests. cut_at: where this byte of a file would be sent, the connection is
    cut. moved: for a path, the status and the URL of a redirect.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        *,
        parts: bool = True,
        cut_at: int | None = None,
        moved: Mapping[str, tuple[int, str]] | None = None,
    ) -> None:
        self.files = files
        self.moved = dict(moved or {})
        self.parts = parts
        self.cut_at = cut_at
        self.requests: list[tuple[str, str]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                owner._answer(self, body=False)

            def do_GET(self) -> None:
                owner._answer(self, body=True)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        self.requests.append((request.command, request.path))
        if redirect := self.moved.get(urlsplit(request.path).path):
            request.send_response(redirect[0])
            request.send_header("Location", redirect[1])
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        content = self.files.get(urlsplit(request.path).path)
        if content is None:
            request.send_error(404)
            return
        first, last = 0, len(content) - 1
        asked = request.headers.get("Range", "") if self.parts else ""
        if asked:
            begin, _, end = asked.removeprefix("bytes=").partition("-")
            first, last = int(begin), min(last, int(end or last))
        request.send_response(206 if asked else 200)
        request.send_header("Content-Length", str(last + 1 - first))
        if self.parts:
            request.send_header("Accept-Ranges", "bytes")
        if asked:
            request.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        request.end_headers()
        if not body:
            return
        if self.cut_at is None or not first <= self.cut_at <= last:
            request.wfile.write(content[first : last + 1])
        else:
            request.wfile.write(content[first : self.cut_at])
            request.close_connection = True
