"""Batches in the form of the OpenAI API: files of requests (developers.openai.com/api/docs/guides/
batch). Azure, Groq and Together have it too."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from ruie.llm.batches.http import BatchHttp, count_of, created, id_of, objects
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

ENDPOINT = "/v1/chat/completions"
TOKEN = "ruie"
"""The name of our token in a batch's metadata."""
PAGE = 100
PHASES = {
    **dict.fromkeys(("completed", "expired", "cancelled"), Phase.ENDED),
    "failed": Phase.FAILED,
}
"""Any other state: it is still running."""
NEVER_BEGUN = {"batch_expired", "batch_cancelled"}
"""Codes of requests that the provider did not come to: as if no line had come for them."""
ENQUEUED = ("token_limit_exceeded", "enqueued_token_limit", "enqueued token limit")


class OpenAIBatches:
    """See `ruie.llm.batches.service.BatchService`."""

    most_requests = 50_000
    most_bytes = 200_000_000

    def __init__(self, transport: Transport) -> None:
        self._http = BatchHttp(transport)

    def line(self, custom_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return batch_line(custom_id, body)

    async def stage(self, path: Path, name: str) -> str:
        for file in objects((await self._http.get("/files", {"purpose": "batch"})).get("data")):
            if file.get("filename") == name and file.get("id"):
                return str(file["id"])
        return id_of(await self._http.upload(path, name), self._http.url)

    async def unstage(self, staged: str) -> None:
        await self._http.delete(f"/files/{staged}")

    async def create(
        self, staged: str, path: Path, token: str, model: str
    ) -> RemoteBatch | NotCreated | Unconfirmed:
        body = {
            "input_file_id": staged,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {TOKEN: token},
        }
        return await created(self._created(body))

    async def _created(self, body: Mapping[str, Any]) -> RemoteBatch:
        return read_batch(await self._http.post("/batches", body), self._http.url)

    async def find(self, sought: Sought) -> Found:
        return await find_listed(self._http, sought)

    async def get(self, batch_id: str) -> RemoteBatch | None:
        raw = await self._http.find(f"/batches/{batch_id}")
        return None if raw is None else read_batch(raw, self._http.url)

    async def cancel(self, batch_id: str) -> None:
        await self._http.cancel(f"/batches/{batch_id}/cancel")

    def results(self, batch: RemoteBatch, folder: Path) -> AsyncIterator[Line]:
        return lines_of_files(self._http, batch, folder)

    async def discard(self, batch: RemoteBatch, *, keep_input: bool = False) -> None:
        await discard_files(self._http, batch, keep_input=keep_input)

    async def close(self) -> None:
        await self._http.close()


async def find_listed(http: BatchHttp, sought: Sought) -> Found:
    """Those of our token in the list of all batches, which has no filter."""
    found: list[RemoteBatch] = []
    query: dict[str, Any] = {"limit": PAGE}
    while True:
        page = await http.get("/batches", query)
        listed = objects(page.get("data"))
        for batch in (read_batch(raw, http.url) for raw in listed):
            if batch.created and batch.created < sought.since:
                listed = []  # the newest come first
                break
            if batch.token == sought.token:
                found.append(batch)
        if not page.get("has_more") or not listed:
            return Found(oldest_first(found))
        query = {"limit": PAGE, "after": id_of(listed[-1], http.url)}


async def lines_of_files(http: BatchHttp, batch: RemoteBatch, folder: Path) -> AsyncIterator[Line]:
    """Those of the files of answers and of errors."""
    for purpose in ("output", "error"):
        if file := batch.files.get(purpose):
            path = folder / purpose
            await http.download(f"/files/{file}/content", path)
            with path.open("rb") as lines:
                for raw in lines:
                    if (line := results_line(raw)) is not None:
                        yield line
            path.unlink()


async def discard_files(http: BatchHttp, batch: RemoteBatch, *, keep_input: bool) -> None:
    """Delete what the batch has at the provider."""
    for purpose, file in batch.files.items():
        if purpose != "input" or not keep_input:
            await http.delete(f"/files/{file}")


def read_batch(raw: Mapping[str, Any], url: str) -> RemoteBatch:
    """A batch as the API describes it."""
    state = str(raw.get("status") or "")
    metadata = raw.get("metadata")
    files = {
        purpose: str(raw[f"{purpose}_file_id"])
        for purpose in ("input", "output", "error")
        if raw.get(f"{purpose}_file_id")
    }
    errors = raw.get("errors") or raw.get("error")
    codes = json.dumps(errors).lower() if errors else ""
    return RemoteBatch(
        id=id_of(raw, url),
        state=state,
        phase=PHASES.get(state, Phase.RUNNING),
        complete=state == "completed",
        token=str(metadata.get(TOKEN) or "") if isinstance(metadata, dict) else "",
        created=float(raw.get("created_at") or 0.0),
        files=files,
        reason=read_error_body(errors).words() if errors else "",
        too_many_tokens=any(each in codes for each in ENQUEUED),
        answered=count_of(raw.get("request_counts"), "completed"),
        failed=count_of(raw.get("request_counts"), "failed"),
    )


def batch_line(custom_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A request as it stands in a file."""
    return {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body}


def results_line(raw: bytes) -> Line | None:
    """None: that is no line of results. What cannot be read counts as not come."""
    try:
        return read_result(json.loads(raw))
    except (ValueError, RecursionError):
        return None


def read_result(line: object) -> Line | None:
    """Likewise, of a line's document."""
    if not isinstance(line, dict) or not isinstance(line.get("custom_id"), str):
        return None
    if NEVER_BEGUN & read_error_body(line.get("error")).codes:
        return None
    response = line.get("response")
    if isinstance(response, dict) and response.get("status_code"):
        status = response["status_code"]
        return Line(
            line["custom_id"], status if isinstance(status, int) else None, response.get("body")
        )
    return Line(line["custom_id"], None, {"error": line.get("error") or "no answer"})
