"""Mistral's batch jobs, by file or inline. A job has one file here, where Mistral takes several."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from support.batch_provider_books import Batch, Call
from support.batch_provider_files import numbered_page
from support.batch_provider_http import Front
from support.batch_provider_lines import MistralLines
from support.batch_provider_state import Provider, Refused
from support.batch_provider_work import Works

JOBS = "/v1/batch/jobs"
STATUS = {
    "validating": "QUEUED",
    "in_progress": "RUNNING",
    "finalizing": "RUNNING",
    "completed": "SUCCESS",
    "failed": "FAILED",
    "expired": "TIMEOUT_EXCEEDED",
    "cancelling": "CANCELLATION_REQUESTED",
    "cancelled": "CANCELLED",
}
NOT_METADATA = ("page", "page_size", "model", "agent_id", "status", "order_by", "created_by_me")
LINES = MistralLines()


class Mistral:
    def __init__(self, provider: Provider, works: Works) -> None:
        self._provider = provider
        self._works = works

    def routes(self, front: Front) -> list[web.RouteDef]:
        return [
            front.route("POST", JOBS, "create", self.create),
            front.route("GET", JOBS, "list", self.list),
            front.route("GET", f"{JOBS}/{{id}}", "poll", self.get),
            front.route("POST", f"{JOBS}/{{id}}/cancel", "cancel", self.cancel),
            front.route("DELETE", f"{JOBS}/{{id}}", "remove", self.remove),
        ]

    async def create(self, request: web.Request, call: Call) -> web.StreamResponse:
        body: dict[str, Any] = json.loads(await request.read())
        files, requests = body.get("input_files") or [], body.get("requests") or []
        if len(files) + bool(requests) != 1:
            raise Refused(422, "one of input_files (one file) and requests is needed")
        if body.get("endpoint") != "/v1/chat/completions" or not body.get("model"):
            raise Refused(422, "endpoint /v1/chat/completions and model are needed")
        if files and files[0] not in self._provider.files:
            raise Refused(404, f"there is no file {files[0]}")
        batch = self._provider.new_batch("mistral", call, body)
        if files:
            batch.input_file = files[0]
            source = self._provider.path(files[0])
        else:
            source = self._provider.keep_requests(batch, requests)
        self._works.start(batch, LINES, source)
        return web.json_response(_job(batch))

    async def list(self, request: web.Request, _: Call) -> web.StreamResponse:
        """Metadata stands in the query as it is, `?ruie=...`: so Mistral's own client sends it."""
        query = request.query
        wanted = {key: query[key] for key in query if key not in NOT_METADATA}
        jobs = [
            batch
            for batch in self._provider.listed("mistral")
            if wanted.items() <= json.loads(batch.metadata).items()
            and query.get("model", batch.model) == batch.model
            and ("status" not in query or STATUS[batch.state] in query.getall("status"))
        ]
        if query.get("order_by") == "created":
            jobs.reverse()
        data = [_job(batch) for batch in numbered_page(jobs, request)]
        return web.json_response({"object": "list", "data": data, "total": len(jobs)})

    async def get(self, request: web.Request, call: Call) -> web.StreamResponse:
        batch = self._find(request, call)
        job = _job(batch)
        if request.query.get("inline", "").lower() == "true" and batch.output_file:
            path = self._provider.path(self._provider.file(batch.output_file).id)
            job["outputs"] = [json.loads(line) for line in path.read_text().splitlines()]
            batch.read = batch.read or not call.fault
            self._provider.books.put(batch)
        return web.json_response(job)

    async def cancel(self, request: web.Request, call: Call) -> web.StreamResponse:
        batch = self._find(request, call)
        self._provider.cancel(batch)
        return web.json_response(_job(batch))

    async def remove(self, request: web.Request, call: Call) -> web.StreamResponse:
        batch = self._find(request, call)
        self._provider.remove(batch)
        return web.json_response({"id": batch.id, "object": "batch", "deleted": True})

    def _find(self, request: web.Request, call: Call) -> Batch:
        batch = self._provider.batch(request.match_info["id"], "mistral")
        call.batch = batch.id
        return batch


def _job(batch: Batch) -> dict[str, object]:
    errors = [{"message": error["message"], "count": 1} for error in json.loads(batch.errors)]
    return {
        "id": batch.id,
        "object": "batch",
        "input_files": [batch.input_file] if batch.input_file else [],
        "metadata": json.loads(batch.metadata) or None,
        "endpoint": batch.endpoint,
        "model": batch.model,
        "agent_id": None,
        "output_file": batch.output_file or None,
        "error_file": batch.error_file or None,
        "errors": errors,
        "status": STATUS[batch.state],
        "created_at": int(batch.created_at),
        "total_requests": batch.total,
        "completed_requests": batch.completed + batch.failed,
        "succeeded_requests": batch.completed,
        "failed_requests": batch.failed,
        "started_at": int(batch.in_progress_at) or None,
        "completed_at": int(batch.ended_at) or None,
    }
