"""Servers that want a password, and one that repeats what it was sent."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import redis
from support.http_server import HttpServer, send
from support.replies import JSON, Reply

from ruie.worker.embedded.redis_server import find_server
from ruie.worker.embedded.stack import free_port


@contextmanager
def redis_with_password(folder: Path, password: str) -> Iterator[int]:
    """A real Redis server on a port of the loopback interface; gives the port."""
    port = free_port()
    command = [str(find_server()), "-"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=folder, text=True
    )
    assert process.stdin is not None
    process.stdin.write(
        f"port {port}\nbind 127.0.0.1\nsave \"\"\nmaxmemory-policy noeviction\n"
        f"requirepass {password}\n"
    )  # fmt: skip  # a line each
    process.stdin.close()
    try:
        _wait(redis.Redis(port=port, password=password))
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait(client: redis.Redis) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            client.ping()
        except redis.exceptions.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            client.close()
            return


class EchoingEndpoint(HttpServer):
    """Lists a model, and answers a call with all that it was sent: keys, headers, URL.

    form: of the error: openai, text, html, answer (which is none, but 200 and a model's words).
    """

    def __init__(self, status: int = 401, form: str = "openai") -> None:
        models = b'{"object": "list", "data": [{"id": "m"}]}'
        super().__init__({"/v1/models": Reply(models, 200, dict(JSON))})
        self.status = status
        self.form = form

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        if request.command == "GET":
            super().answer(request, body)
            return
        first = [request.headers[name] or "" for name in ("Authorization", "X-Gateway")]
        sent = " ".join(f"{name}: {value}" for name, value in request.headers.items())
        said = f"You sent {' '.join(first)} to http://llm{request.path} and {sent}"
        if self.form == "answer":
            choice = {"index": 0, "finish_reason": "stop", "message": {"content": said}}
            document: object = {"id": "1", "object": "chat.completion", "choices": [choice]}
            send(request, Reply(json.dumps(document).encode(), 200, dict(JSON)))
        elif self.form == "html":
            page = f"<html><title>{said}</title><body>{said}</body></html>"
            send(request, Reply(page.encode(), self.status, {"Content-Type": "text/html"}))
        elif self.form == "text":
            send(request, Reply(said.encode(), self.status, {"Content-Type": "text/plain"}))
        else:
            error = {"error": {"message": said, "type": "invalid_request_error"}}
            send(request, Reply(json.dumps(error).encode(), self.status, dict(JSON)))
