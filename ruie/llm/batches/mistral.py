"""Batches in Mistral's form: jobs on files. docs.mistral.ai/studio-api/batch-processing"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from ruie.llm.batches.http import BatchHttp, count_of, created, id_of, objects
from ruie.llm.batches.openai import ENDPOINT, TOKEN, discard_files, lines_of_files
from ruie.llm.batches.service import (
    Found,
    Line,
    NotCreated,
    Phase,
    RemoteBatch,
    Sought,
    Unconfirmed,
    oldest_first,
)
from ruie.llm.error_body import read_error_body
from ruie.llm.transport import Transport

JOBS = "/batch/jobs"
PAGE = 100
HOURS = 24
"""So long a job may take, as at other providers."""
PHASES = {
    **dict.fromkeys(("SUCCESS", "TIMEOUT_EXCEEDED", "CANCELLED"), Phase.ENDED),
    "FAILED": Phase.FAILED,
}
"""QUEUED, RUNNING, CANCELLATION_REQUESTED, and what may be added: it is still running."""


class MistralBatches:
    """See `ruie.llm.batches.service.BatchService`."""

    # docs.mistral.ai/resources/known-limitations
    most_requests = 100_000
    most_bytes = 512_000_000

    def __init__(self, transport: Transport) -> None:
        self._http = BatchHttp(transport)

    def line(self, custom_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"custom_id": custom_id, "body": body}

    async def stage(self, path: Path, name: str) -> str:
        async for file in self._listed("/files", {"purpose": "batch"}):
            if file.get("filename") == name and file.get("id"):
                return str(file["id"])
        return id_of(await self._http.upload(path, name), self._http.url)

    async def unstage(self, staged: str) -> None:
        await self._http.delete(f"/files/{staged}")

    async def create(
        self, staged: str, path: Path, token: str, model: str
    ) -> RemoteBatch | NotCreated | Unconfirmed:
        body = {
            "input_files": [staged],
            "endpoint": ENDPOINT,
            "model": model,
            "metadata": {TOKEN: token},
            "timeout_hours": HOURS,
        }
        return await created(self._created(body))

    async def _created(self, body: Mapping[str, Any]) -> RemoteBatch:
        return read_job(await self._http.post(JOBS, body), self._http.url)

    async def find(self, sought: Sought) -> Found:
        # metadata stands in the query by its own name; one that does not heed it lists all jobs
        filtered = self._listed(JOBS, {TOKEN: sought.token, "order_by": "-created"})
        jobs = [read_job(raw, self._http.url) async for raw in filtered]
        found = [job for job in jobs if job.token == sought.token]
        return Found(oldest_first(found))

    async def _listed(self, path: str, query: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        number = 0
        while True:
            page = await self._http.get(path, {**query, "page": number, "page_size": PAGE})
            listed = objects(page.get("data"))
            for each in listed:
                yield each
            if len(listed) < PAGE:
                return
            number += 1

    async def get(self, batch_id: str) -> RemoteBatch | None:
        raw = await self._http.find(f"{JOBS}/{batch_id}")
        return None if raw is None else read_job(raw, self._http.url)

    async def cancel(self, batch_id: str) -> None:
        await self._http.cancel(f"{JOBS}/{batch_id}/cancel")

    def results(self, batch: RemoteBatch, folder: Path) -> AsyncIterator[Line]:
        return lines_of_files(self._http, batch, folder)

    async def discard(self, batch: RemoteBatch, *, keep_input: bool = False) -> None:
        await discard_files(self._http, batch, keep_input=keep_input)

    async def close(self) -> None:
        await self._http.close()


def read_job(raw: Mapping[str, Any], url: str) -> RemoteBatch:
    """A job as the API describes it."""
    state = str(raw.get("status") or "")
    metadata = raw.get("metadata")
    inputs = raw.get("input_files")
    named = {
        "input": inputs[0] if isinstance(inputs, list) and inputs else None,
        "output": raw.get("output_file"),
        "error": raw.get("error_file"),
    }
    errors = raw.get("errors")
    phase = PHASES.get(state, Phase.RUNNING)
    if phase is Phase.FAILED and (named["output"] or raw.get("succeeded_requests")):
        phase = Phase.ENDED  # it had begun, and what it has done is charged
    return RemoteBatch(
        id=id_of(raw, url),
        state=state.lower(),
        phase=phase,
        complete=state == "SUCCESS",
        token=str(metadata.get(TOKEN) or "") if isinstance(metadata, dict) else "",
        created=float(raw.get("created_at") or 0.0),
        files={purpose: str(file) for purpose, file in named.items() if file},
        reason=read_error_body(errors).words() if errors else "",
        answered=count_of(raw, "succeeded_requests"),
        failed=count_of(raw, "failed_requests"),
    )
