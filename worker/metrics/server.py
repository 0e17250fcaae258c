"""The HTTP server of metrics: small, with a thread for each request, read-only."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from ruie.errors import SettingsError

REQUEST_S = 10.0
"""Seconds that a client may take for its request."""

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # without `HTTPServer.server_bind`, which asks a name server for this machine's name
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's error."""


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_S

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a scrape every few seconds would fill the log."""


class MetricsServer:
    """Serves `/metrics`, and at `/health` whether this process does its duties; a context manager.

    port: 0 takes a free one. Raises SettingsError where the address cannot be used.
    """

    def __init__(
        self, registry: CollectorRegistry, address: str, port: int, healthy: Callable[[], bool]
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._healthy = healthy
        kind = _ServerV6 if ":" in address else _Server
        try:
            self._server = make_server(address, port, self._respond, kind, _Handler)
        except OSError as error:
            raise _unusable(address, port, error) from None
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True,
            name="ruie-metrics",
        )  # fmt: skip  # one thread

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _respond(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD", "")
        if method not in ("GET", "HEAD"):
            return _text(start, "405 Method Not Allowed", "This server is read only.")
        if path == "/metrics":
            answer: Iterable[bytes] = self._metrics(environ, start)
            return answer
        if path == "/health":
            if self._healthy():
                return _text(start, "200 OK", "ok")
            return _text(start, "503 Service Unavailable", "The coordinator stands still.")
        return _text(start, "404 Not Found", "There are /metrics and /health.")


def _text(start: StartResponse, status: str, words: str) -> list[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{words}\n".encode()]


def _unusable(address: str, port: int, error: OSError) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        return SettingsError(
            f"Port {port} of {address} is in use, so metrics cannot be served there.",
            "Set RUIE_METRICS_PORT to a free port, or to 0 to serve none.",
        )
    return SettingsError(
        f"Metrics cannot be served at {address}, port {port}: {error.strerror or error}.",
        "Set RUIE_METRICS_ADDRESS to an address of this machine (127.0.0.1: for itself alone;"
        " 0.0.0.0: for everyone), and RUIE_METRICS_PORT to a port above 1023.",
    )
