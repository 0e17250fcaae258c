"""The process behind `support.metered`: `python -m support.metered_app FILE PORT [JOURNAL]` serves
at the port (0: any that is free), writes it to the file, and ends when it is killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web
from support.corpus import POISON
from support.metered import Entry, read_plan
from support.metered_answer import answered, asked, completion
from support.metering import Meter, Plan
from support.peers import peer_process
from support.replies import JSON, MODEL, Reply, failure


class Wire(NamedTuple):
    """How answers and errors are written; `bad` takes what `failure` takes."""

    good: Callable[[Entry], Reply]
    bad: Callable[..., Reply]


OPENAI = Wire(completion, failure)


class App:
    """The endpoint's state: its plan, its meter and the log of every request. journal: a file that
    requests are moved to when they have ended."""

    def __init__(self, journal: Path | None = None) -> None:
        self.plan = Plan()
        self.meter = Meter(self.plan.quota)
        self.entries: dict[int, Entry] = {}
        self.requests: dict[str, int] = {}  # how often each prompt came
        self._seen = 0
        self._journal = journal.open("a", encoding="utf-8", buffering=1) if journal else None

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/chat/completions", self.chat),
            web.get("/v1/models", self.models),
            web.post("/plan", self.follow),
            web.get("/count", self.count),
            web.get("/log", self.log),
        ]

    async def models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    async def follow(self, request: web.Request) -> web.Response:
        self.plan = read_plan(await request.json())
        if self.plan.quota != self.meter.quota:
            self.meter = Meter(self.plan.quota, in_flight=self.meter.in_flight)
        return web.Response()

    async def count(self, _: web.Request) -> web.Response:
        return web.Response(text=str(self._seen))

    async def log(self, request: web.Request) -> web.Response:
        since = int(request.query.get("since", 0))
        wanted = [entry for number, entry in self.entries.items() if number >= since]
        return web.Response(text="\n".join(map(line, wanted)))

    async def chat(self, request: web.Request) -> web.StreamResponse:
        return await self.serve(request, await request.json(), OPENAI)

    async def serve(
        self, request: web.Request, body: Mapping[str, Any], wire: Wire
    ) -> web.StreamResponse:
        """Answer a chat request."""
        entry, question = asked(body, self._seen)
        prompt = entry.prompt
        self._seen += 1
        self.entries[entry.number] = entry
        plan, meter = self.plan, self.meter
        charge = meter.admit(entry.at, entry.prompt_tokens, entry.max_tokens)
        headers = meter.headers(entry.at) if plan.tell_limits else {}
        if isinstance(charge, str):
            self._end(replace(entry, status=429, refused=charge))
            return _plain(wire.bad(429, "rate_limit_exceeded", charge, retry_after="1"), {})
        nth = self.count_prompt(prompt)
        fault = "poison" if question.person.startswith(POISON) else plan.fault(prompt, nth)
        entry = answered(entry, question, plan, nth, fault, body.get("service_tier", ""))
        self.entries[entry.number] = entry
        try:
            if fault == "poison":
                kill_peer(request)
            await asyncio.sleep(3600 if fault in ("hang", "poison") else plan.delay(prompt, nth))
        except asyncio.CancelledError:
            entry = replace(entry, left=True)
            raise
        finally:
            meter.settle(charge, entry.completion_tokens)
            if meter is not self.meter:
                self.meter.in_flight -= 1
            self._end(entry)
        return await _send(request, entry, wire, plan, headers)

    def count_prompt(self, prompt: str) -> int:
        """Count one more request for a prompt; returns how many there were before."""
        nth = self.requests[prompt] = self.requests.get(prompt, -1) + 1
        return nth

    def _end(self, entry: Entry) -> None:
        ended = self.entries[entry.number] = replace(entry, ended=time.monotonic())
        if self._journal is not None:
            self._journal.write(line(ended) + "\n")
            del self.entries[entry.number]


def line(entry: Entry) -> str:
    return json.dumps(asdict(entry))


def kill_peer(request: web.Request) -> None:
    """`kill -9` the process at the other end of the connection."""
    assert request.transport is not None
    pid = peer_process(request.transport.get_extra_info("peername")[1])
    if pid and pid != os.getpid():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def _send(
    request: web.Request, entry: Entry, wire: Wire, plan: Plan, headers: dict[str, str]
) -> web.StreamResponse:
    fault, failure = entry.fault, wire.bad
    good = wire.good(entry)
    if fault == "cut":
        response = web.StreamResponse(headers=JSON)
        response.content_length = len(good.body)
        await response.prepare(request)
        await response.write(good.body[: len(good.body) // 2])
        if request.transport is not None:
            request.transport.close()
        return response
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=plan.retry_after), usegmt=True)
    replies = {
        "429 seconds": failure(429, "scripted", retry_after=str(plan.retry_after)),
        "429 date": failure(429, "scripted", retry_after=date),
        "429 bare": failure(429, "scripted"),
        "400": failure(400, message="Something is wrong with your request."),
        "401": failure(401, "invalid_api_key", "Incorrect API key provided."),
        "500": failure(500),
        "503": failure(503),
        "garbage": Reply(b"<html>\xff\xfe Bad gateway"),
        "half": Reply(good.body[: len(good.body) // 2]),
        "empty": Reply(b""),
        "type": Reply(b'["choices", 0]'),
    }
    return _plain(replies.get(fault, good), headers)


def _plain(reply: Reply, headers: dict[str, str]) -> web.Response:
    return web.Response(body=reply.body, status=reply.status, headers={**reply.headers, **headers})


async def serve(routes: list[web.RouteDef], port_file: Path, port: int = 0) -> None:
    """Serve on a port of the loopback interface, by default a free one, write it to a file, and
    never end."""
    app = web.Application(client_max_size=2**28)
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    ready = port_file.with_suffix(".new")
    ready.write_text(str(runner.addresses[0][1]))
    ready.rename(port_file)
    await asyncio.Event().wait()


if __name__ == "__main__":
    _file, _port, *_journal = sys.argv[1:]
    _app = App(Path(_journal[0]) if _journal else None)
    asyncio.run(serve(_app.routes(), Path(_file), int(_port)))
