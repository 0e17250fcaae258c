"""Anthropic's Message Batches, and single Messages."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from support.batch_provider_books import Batch, Call
from support.batch_provider_http import Front, send_file
from support.batch_provider_messages import AnthropicLines, chat_request, error, message
from support.batch_provider_state import Provider, Refused
from support.batch_provider_work import Works
from support.metered_app import Wire

DAY_S = 86_400
MOST_LISTED = 1000
CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
LINES = AnthropicLines()
WIRE = Wire(message, error)
BATCHES = "/v1/messages/batches"


class Anthropic:
    def __init__(self, provider: Provider, works: Works) -> None:
        self._provider = provider
        self._works = works

    def routes(self) -> list[web.RouteDef]:
        front = Front(self._provider, error)
        return [
            web.post("/v1/messages", self.single),
            front.route("POST", BATCHES, "create", self.create),
            front.route("GET", BATCHES, "list", self.list),
            front.route("GET", f"{BATCHES}/{{id}}", "poll", self.get),
            front.route("GET", f"{BATCHES}/{{id}}/results", "results", self.results),
            front.route("POST", f"{BATCHES}/{{id}}/cancel", "cancel", self.cancel),
            front.route("DELETE", f"{BATCHES}/{{id}}", "remove", self.remove),
        ]

    async def single(self, request: web.Request) -> web.StreamResponse:
        body = chat_request(await request.json())
        return await self._provider.ordinary.serve(request, body, WIRE)

    async def create(self, request: web.Request, call: Call) -> web.StreamResponse:
        body: dict[str, Any] = json.loads(await request.read())
        if set(body) != {"requests"}:
            raise Refused(400, f"{sorted(set(body) - {'requests'})}: extra inputs")
        requests: list[dict[str, Any]] = body["requests"]
        most = self._provider.plan.most_messages
        if not 1 <= len(requests) <= most:
            raise Refused(400, f"requests: from 1 to {most}")
        seen: set[str] = set()
        for number, line in enumerate(requests):
            custom_id = line["custom_id"]
            if not CUSTOM_ID.fullmatch(custom_id):
                raise Refused(400, f"requests.{number}.custom_id: should match {CUSTOM_ID.pattern}")
            if custom_id in seen:
                raise Refused(400, f"requests.{number}.custom_id: {custom_id} stands twice")
            seen.add(custom_id)
        batch = self._provider.new_batch("anthropic", call, {})
        batch.total = len(requests)
        self._works.start(batch, LINES, self._provider.keep_requests(batch, requests))
        return web.json_response(_batch(batch, request))

    async def list(self, request: web.Request, _: Call) -> web.StreamResponse:
        """Pages go on after an id, or end before one; the newest comes first."""
        batches = self._provider.listed("anthropic")
        ids = [batch.id for batch in batches]
        limit = int(request.query.get("limit", 20))
        if not 1 <= limit <= MOST_LISTED:
            raise Refused(400, f"limit: from 1 to {MOST_LISTED}")
        start, end = 0, limit
        if before := request.query.get("before_id"):
            end = _place(ids, before)
            start = max(0, end - limit)
            more = start > 0
        else:
            if after := request.query.get("after_id"):
                start = _place(ids, after) + 1
                end = start + limit
            more = end < len(ids)
        data = [_batch(batch, request) for batch in batches[start:end]]
        first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
        return web.json_response(
            {"data": data, "has_more": more, "first_id": first, "last_id": last}
        )

    async def get(self, request: web.Request, call: Call) -> web.StreamResponse:
        return web.json_response(_batch(self._find(request, call), request))

    async def results(self, request: web.Request, call: Call) -> web.StreamResponse:
        batch = self._find(request, call)
        if not batch.ended:
            raise Refused(404, "The batch has no results yet.")
        batch.read = batch.read or not call.fault
        self._provider.books.put(batch)
        return send_file(request, self._provider.results(batch))

    async def cancel(self, request: web.Request, call: Call) -> web.StreamResponse:
        batch = self._find(request, call)
        self._provider.cancel(batch)
        return web.json_response(_batch(batch, request))

    async def remove(self, request: web.Request, call: Call) -> web.StreamResponse:
        batch = self._find(request, call)
        self._provider.remove(batch)
        return web.json_response({"id": batch.id, "type": "message_batch_deleted"})

    def _find(self, request: web.Request, call: Call) -> Batch:
        batch = self._provider.batch(request.match_info["id"], "anthropic")
        call.batch = batch.id
        return batch


def _place(ids: list[str], batch_id: str) -> int:
    if batch_id not in ids:
        raise Refused(400, f"there is no '{batch_id}'")
    return ids.index(batch_id)


def _batch(batch: Batch, request: web.Request) -> dict[str, object]:
    ended = batch.ended
    left = batch.undone if ended else 0
    status = "ended" if ended else "canceling" if batch.state == "cancelling" else "in_progress"
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {
            "processing": 0 if ended else batch.total,
            "succeeded": batch.completed if ended else 0,
            "errored": batch.failed - left if ended else 0,
            "canceled": left if batch.state == "cancelled" else 0,
            "expired": left if batch.state == "expired" else 0,
        },
        "created_at": _time(batch.created_at),
        "expires_at": _time(batch.created_at + DAY_S),
        "ended_at": _time(batch.ended_at),
        "cancel_initiated_at": _time(batch.cancelling_at),
        "archived_at": None,
        "results_url": f"{request.url.origin()}{BATCHES}/{batch.id}/results" if ended else None,
    }


def _time(at: float) -> str | None:
    return datetime.fromtimestamp(at, UTC).isoformat() if at else None
