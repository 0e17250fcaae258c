"""Batches in OpenAI's form, by file, and in OpenRouter's, whose requests and results are inline."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from support.batch_provider_books import Batch, Call
from support.batch_provider_files import listing, paged
from support.batch_provider_http import Front
from support.batch_provider_lines import OpenAILines
from support.batch_provider_state import Provider, Refused
from support.batch_provider_work import Works

DAY_S = 86_400
FORMS = ("openai", "inline")
MOST_METADATA, MOST_KEY, MOST_VALUE = 16, 64, 512
LINES = OpenAILines()


class OpenAI:
    def __init__(self, provider: Provider, works: Works) -> None:
        self._provider = provider
        self._works = works

    def routes(self, front: Front) -> list[web.RouteDef]:
        return [
            front.route("POST", "/v1/batches", "create", self.create),
            front.route("GET", "/v1/batches", "list", self.list),
            front.route("GET", "/v1/batches/{id}", "poll", self.get),
            front.route("GET", "/v1/batches/{id}/results", "results", self.results),
            front.route("POST", "/v1/batches/{id}/cancel", "cancel", self.cancel),
            front.route("DELETE", "/v1/batches/{id}", "remove", self.remove),
        ]

    async def create(self, request: web.Request, call: Call) -> web.StreamResponse:
        body: dict[str, Any] = json.loads(await request.read())
        check_metadata(body)
        if body.get("endpoint") != "/v1/chat/completions":
            raise Refused(400, f"endpoint: {body.get('endpoint')!r} is not served")
        if body.get("completion_window", "24h") != "24h":
            raise Refused(400, "completion_window must be 24h")
        if "requests" in body:
            return self._create_inline(body, call)
        if "completion_window" not in body:
            raise Refused(400, "completion_window is required")
        file_id = body.get("input_file_id", "")
        if file_id not in self._provider.files:
            raise Refused(400, f"Cannot find file {file_id!r}, or you have no access to it.")
        batch = self._provider.new_batch("openai", call, body)
        batch.input_file = file_id
        self._works.start(batch, LINES, self._provider.path(file_id))
        return web.json_response(self._batch(batch))

    def _create_inline(self, body: dict[str, Any], call: Call) -> web.StreamResponse:
        if list(body).index("requests") < max(list(body).index(k) for k in ("endpoint", "model")):
            raise Refused(400, "endpoint and model must stand before requests")
        most = self._provider.plan.most_inline
        if not 1 <= len(body["requests"]) <= most:
            raise Refused(400, f"requests: from 1 to {most}")
        for line in body["requests"]:
            if line["body"].get("model", body["model"]) != body["model"]:
                raise Refused(400, "a request has another model than the batch")
        batch = self._provider.new_batch("inline", call, body)
        source = self._provider.keep_requests(batch, body["requests"])
        self._works.start(batch, LINES, source)
        return web.json_response(self._batch(batch), status=202)

    async def list(self, request: web.Request, _: Call) -> web.StreamResponse:
        batches = {batch.id: batch for batch in self._provider.listed(*FORMS)}
        page, more = paged(list(batches), request, usual=20, most=100)
        return listing([self._batch(batches[batch_id]) for batch_id in page], more)

    async def get(self, request: web.Request, call: Call) -> web.StreamResponse:
        batch = self._find(request, call)
        if batch.form == "inline" and batch.ended:
            return self._with_results(batch, call)
        return web.json_response(self._batch(batch))

    def _with_results(self, batch: Batch, call: Call) -> web.StreamResponse:
        """Inline results stand in the batch itself."""
        batch.read = batch.read or not call.fault
        self._provider.books.put(batch)
        path = self._provider.results(batch)
        lines = path.read_text().splitlines() if path.exists() else []
        state = json.dumps({**self._batch(batch), "results": "?"})
        text = state.replace('"results": "?"', f'"results": [{", ".join(lines)}]')
        return web.Response(text=text, content_type="application/json")

    async def results(self, request: web.Request, call: Call) -> web.StreamResponse:
        """A page of inline results."""
        batch = self._find(request, call)
        if batch.form != "inline" or not batch.ended:
            raise Refused(409, "The batch has no results yet.")
        start, size = int(request.query.get("cursor", 0)), int(request.query.get("limit", 100))
        path = self._provider.results(batch)
        lines = path.read_text().splitlines() if path.exists() else []
        more = start + size < len(lines)
        batch.read = batch.read or not (more or call.fault)
        self._provider.books.put(batch)
        data = ", ".join(lines[start : start + size])
        cursor = json.dumps(str(start + size) if more else None)
        text = f'{{"data": [{data}], "next_cursor": {cursor}}}'
        return web.Response(text=text, content_type="application/json")

    async def cancel(self, request: web.Request, call: Call) -> web.StreamResponse:
        batch = self._find(request, call)
        if batch.form == "inline":
            raise Refused(404, "Batches of this kind cannot be cancelled.")
        self._provider.cancel(batch)
        return web.json_response(self._batch(batch))

    async def remove(self, request: web.Request, call: Call) -> web.StreamResponse:
        batch = self._find(request, call)
        if batch.form != "inline":
            raise Refused(405, "Batches cannot be deleted.")
        self._provider.remove(batch)
        return web.json_response({"id": batch.id, "object": "batch", "deleted": True})

    def _find(self, request: web.Request, call: Call) -> Batch:
        batch = self._provider.batch(request.match_info["id"], *FORMS)
        call.batch = batch.id
        return batch

    def _batch(self, batch: Batch) -> dict[str, object]:
        errors = json.loads(batch.errors)
        times = {
            f"{state}_at": _time(batch.ended_at if batch.state == state else 0.0)
            for state in ("completed", "failed", "expired", "cancelled")
        }
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.endpoint,
            "model": batch.model or None,
            "errors": {"object": "list", "data": errors} if errors else None,
            "input_file_id": batch.input_file or None,
            "completion_window": "24h",
            "status": batch.state,
            "output_file_id": batch.output_file or None,
            "error_file_id": batch.error_file or None,
            "created_at": int(batch.created_at),
            "in_progress_at": _time(batch.in_progress_at),
            "expires_at": int(batch.created_at) + DAY_S,
            "finalizing_at": _time(batch.finalizing_at),
            "cancelling_at": _time(batch.cancelling_at),
            **times,
            "request_counts": {
                "total": batch.total,
                "completed": batch.completed,
                "failed": batch.failed,
            },
            "metadata": json.loads(batch.metadata) or None,
        }


def check_metadata(body: dict[str, Any]) -> None:
    """By OpenAI's rules, which are the strictest."""
    metadata = body.get("metadata") or {}
    fits = len(metadata) <= MOST_METADATA and all(
        isinstance(value, str) and len(key) <= MOST_KEY and len(value) <= MOST_VALUE
        for key, value in metadata.items()
    )
    if not fits:
        raise Refused(400, f"metadata: {MOST_METADATA} pairs of texts, {MOST_VALUE} long at most")


def _time(at: float) -> int | None:
    return int(at) or None
