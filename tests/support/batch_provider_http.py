"""Requests over HTTP to the scripted batch provider: noted in its books, and with faults."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from aiohttp import web
from support.batch_provider_books import Call
from support.batch_provider_plan import Fault
from support.batch_provider_state import Provider, Refused, plain
from support.replies import Reply, failure

Handler = Callable[[web.Request, Call], Awaitable[web.StreamResponse]]
LONG_S = 3600.0
PART = 2**18
FILE = web.RequestKey("file", Path)
"""The file that a handler answers with."""


class Front:
    """Makes routes of handlers."""

    def __init__(self, provider: Provider, error: Callable[..., Reply] = failure) -> None:
        """error: how errors are written; takes what `failure` takes."""
        self._provider = provider
        self._error = error
        self._later: set[asyncio.Task[web.StreamResponse]] = set()

    def route(self, method: str, path: str, asked: str, handler: Handler) -> web.RouteDef:
        """asked: what the books and the plan call it."""

        async def serve(request: web.Request) -> web.StreamResponse:
            call = self._provider.new_call(asked, request.path_qs)
            fault = self._provider.draws.request(asked)
            call.fault = fault.kind if fault else ""
            try:
                return await self._serve(request, call, handler, fault)
            finally:
                self._provider.books.put(call)

        return web.route(method, path, serve)

    async def _serve(
        self, request: web.Request, call: Call, handler: Handler, fault: Fault | None
    ) -> web.StreamResponse:
        outcome = fault.kind.partition(" ")[2] if fault else ""
        answer = partial(self._answer, request, call, handler)
        if not fault:
            response = await answer()
        elif outcome == "late":
            await request.read()
            self._later.add(task := asyncio.create_task(self._delayed(answer, call, fault.seconds)))
            task.add_done_callback(self._later.discard)
            return await _hang_up(request)
        elif outcome == "slow":
            await asyncio.sleep(fault.seconds)
            response = await answer()
        else:
            if outcome == "half" or outcome.startswith("lost"):
                response = await answer()
            else:
                await request.read()
                response = web.Response()
            how = outcome.removeprefix("lost").strip()
            if how == "half":
                return await _half(request, response)
            if not how.isdigit():
                return await _hang_up(request, LONG_S if how == "hang" else 0.0)
            response = plain(self._error(int(how), "scripted"))
        call.status = response.status
        return response

    async def _answer(
        self, request: web.Request, call: Call, handler: Handler
    ) -> web.StreamResponse:
        try:
            return await handler(request, call)
        except Refused as refused:
            return plain(self._error(refused.status, refused.code, str(refused)))

    async def _delayed(
        self, answer: Callable[[], Awaitable[web.StreamResponse]], call: Call, seconds: float
    ) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        response = await answer()
        self._provider.books.put(call)
        return response


async def _hang_up(request: web.Request, seconds: float = 0.0) -> web.StreamResponse:
    """Close the connection without a word."""
    await asyncio.sleep(seconds)
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def _half(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Send half of an answer, and close the connection."""
    file = request.get(FILE)
    if file is not None:
        size = file.stat().st_size
        with file.open("rb") as opened:
            part = opened.read(size // 2)
    else:
        assert isinstance(response, web.Response)
        assert isinstance(response.body, bytes)
        size, part = len(response.body), response.body[: len(response.body) // 2]
    sent = web.StreamResponse(status=response.status)
    sent.content_length = size
    await sent.prepare(request)
    await sent.write(part)
    if request.transport is not None:
        request.transport.close()
    return sent


def send_file(request: web.Request, file: Path) -> web.StreamResponse:
    """A file as the answer; it may be deleted meanwhile."""
    request[FILE] = file
    return web.FileResponse(file, chunk_size=PART)
