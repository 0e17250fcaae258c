"""An OpenAI-compatible endpoint that answers, or misbehaves, exactly as scripted.

    with ScriptedEndpoint(answer("PERSON: Ada")) as endpoint:
        LLMClient(endpoint.url)

Real sockets on a free port of the loopback interface, in a thread with an event loop of its own.
The script is one `Reply` for every request, a list of them (the last one repeats), or a callable
`(request_json, n) -> Reply`, n from 0. As a process of its own, for benchmarks:

    python -m support.endpoint --port 8999 --text "None" --delay-s 0.5
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web
from support.replies import CUT, HANG, JSON, MODEL, Reply, answer, failure
from support.waiting import PATIENCE_S

__all__ = ["CUT", "HANG", "MODEL", "Reply", "Request", "ScriptedEndpoint", "answer", "failure"]

Script = Reply | Sequence[Reply] | Callable[[dict[str, Any], int], Reply]


@dataclass(frozen=True)
class Request:
    """One chat request as it came in; `at` is `time.monotonic()` on arrival."""

    body: dict[str, Any]
    at: float
    headers: Mapping[str, str] = field(repr=False)

    @property
    def prompt(self) -> str:
        """What all turns say, a blank line between them."""
        return "\n\n".join(message["content"] for message in self.body["messages"])


class ScriptedEndpoint:
    """A running endpoint; a context manager. `requests` logs every chat request in order."""

    def __init__(
        self, script: Script, *, port: int = 0, models: Sequence[str] = (MODEL,), log: bool = True
    ) -> None:
        self.script = script
        self.models = models
        self.models_reply: Reply | None = None
        self.models_pages: Callable[[Mapping[str, str]], Reply] | None = None
        self.requests: list[Request] = []
        self.count = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self._log = log
        self._port = port
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="scripted-endpoint", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(PATIENCE_S):
            raise RuntimeError("the scripted endpoint did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(PATIENCE_S)

    def serve_forever(self) -> None:
        self._thread.start()
        self._thread.join()

    def _serve(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        app = web.Application()
        app.add_routes(self.routes())
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self._port)
        await site.start()
        self._port = runner.addresses[0][1]
        self._started.set()
        await self._ended.wait()
        await runner.cleanup()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/chat/completions", self._chat),
            web.post("/v1/messages", self._chat),
            web.get("/v1/models", self._list),
            web.get("/health", self._health),
        ]

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(body=b'{"status":"ok"}', headers=JSON)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if self.models_pages is not None:  # by the query
            return await self._send(self.models_pages(request.query), request)
        if self.models_reply is not None:
            return await self._send(self.models_reply, request)
        models = [{"id": name, "object": "model"} for name in self.models]
        body = json.dumps({"object": "list", "data": models}).encode()
        return web.Response(body=body, headers=JSON)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        at = time.monotonic()
        raw = await request.read()
        number = self.count
        self.count += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            body = json.loads(raw) if self._log or callable(self.script) else {}
            if self._log:
                self.requests.append(Request(body, at, dict(request.headers)))
            return await self._send(self._reply(body, number), request)
        finally:
            self.in_flight -= 1

    def _reply(self, body: dict[str, Any], number: int) -> Reply:
        if isinstance(self.script, Reply):
            return self.script
        if callable(self.script):
            return self.script(body, number)
        return self.script[min(number, len(self.script) - 1)]

    async def _send(self, reply: Reply, request: web.Request) -> web.StreamResponse:
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        if reply.hang:
            await self._ended.wait()
        if not reply.cut:
            return web.Response(body=reply.body, status=reply.status, headers=reply.headers)
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        response.content_length = len(reply.body)
        await response.prepare(request)
        await response.write(reply.body[: len(reply.body) // 2])
        if request.transport is not None:
            request.transport.close()
        return response


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="An endpoint that says one thing.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--text", default="None")
    parser.add_argument("--delay-s", type=float, default=0.0)
    options = parser.parse_args()
    said = answer(options.text, delay_s=options.delay_s)
    ScriptedEndpoint(said, port=options.port, log=False).serve_forever()
