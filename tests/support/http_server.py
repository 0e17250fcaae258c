"""An HTTP server that gives fixed answers, over TLS if it has a certificate, and a forward proxy.

with HttpServer({"/v1/models": Reply(b"{}")}) as server:
    with ForwardProxy({"llm.test": server}) as proxy:
        ...  # http://llm.test/v1/models through proxy.url
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from support.replies import Reply, failure


@dataclass(frozen=True)
class Received:
    """A request as it came in; `target` is what stands between method and version."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)


def body_of(request: BaseHTTPRequestHandler) -> bytes:
    """What was sent with a request, also in chunks: the rest would be taken for the next one."""
    if request.headers.get("Transfer-Encoding") != "chunked":
        return request.rfile.read(int(request.headers.get("Content-Length", 0)))
    body = b""
    while size := int(request.rfile.readline(), 16):
        body += request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
    return body


class LocalServer:
    """A running server; a context manager. `received` has every request in order."""

    scheme = "http"

    def __init__(self) -> None:
        self.received: list[Received] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

            def answer(self) -> None:
                body = body_of(self)
                headers = {name.lower(): value for name, value in self.headers.items()}
                owner.received.append(Received(self.command, self.path, headers))
                owner.answer(self, body)

            do_GET = do_POST = do_CONNECT = answer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        raise NotImplementedError

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def send(request: BaseHTTPRequestHandler, reply: Reply) -> None:
    request.send_response(reply.status)
    for name, value in reply.headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(reply.body)))
    request.end_headers()
    request.wfile.write(reply.body)


class HttpServer(LocalServer):
    """Answers by the path alone, with 404 where it knows none."""

    def __init__(self, answers: Mapping[str, Reply], certificate: Path | None = None) -> None:
        super().__init__()
        self.answers = dict(answers)
        if certificate is not None:
            self.scheme = "https"
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        send(request, self.answers.get(urlsplit(request.path).path, failure(404)))


class ForwardProxy(LocalServer):
    """Forwards what is for a host that it knows, whatever the port; 502 for any other."""

    def __init__(self, hosts: Mapping[str, HttpServer], user: str = "") -> None:
        """user: the Proxy-Authorization that it insists on, or ""."""
        super().__init__()
        self._hosts = hosts
        self._user = user

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        if self._user and request.headers.get("Proxy-Authorization") != self._user:
            send(request, failure(407))
            return
        tunnel = request.command == "CONNECT"
        target = urlsplit(f"//{request.path}" if tunnel else request.path)
        server = self._hosts.get(target.hostname or "")
        if server is None:
            send(request, failure(502))
        elif tunnel:
            self._tunnel(request, server)
        else:
            self._forward(request, body, server)

    def _forward(self, request: BaseHTTPRequestHandler, body: bytes, server: HttpServer) -> None:
        target = urlsplit(request.path)
        connection = HTTPConnection("127.0.0.1", server.port)
        path = f"{target.path}?{target.query}" if target.query else target.path
        connection.request(request.command, path, body, dict(request.headers.items()))
        answered = connection.getresponse()
        send(request, Reply(answered.read(), answered.status))
        connection.close()

    def _tunnel(self, request: BaseHTTPRequestHandler, server: HttpServer) -> None:
        request.send_response(200)
        request.end_headers()
        request.close_connection = True
        with socket.create_connection(("127.0.0.1", server.port)) as upstream:
            ends = {request.connection: upstream, upstream: request.connection}
            while ready := select.select(list(ends), [], [], 10)[0]:
                for end in ready:
                    part = end.recv(65536)
                    if not part:
                        return
                    ends[end].sendall(part)
