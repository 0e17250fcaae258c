"""Batches in OpenRouter's form: OpenAI's, but without files, and without a way to cancel one.
openrouter.ai/docs/batch-quickstart"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from ruie.errors import TransientCallError
from ruie.llm.batches.http import BatchHttp, created, objects
from ruie.llm.batches.openai import ENDPOINT, TOKEN, find_listed, read_batch, read_result
from ruie.llm.batches.service import Found, Line, NotCreated, RemoteBatch, Sought, Unconfirmed
from ruie.llm.transport import Transport

RESULTS = 500
"""In one page."""


class InlineBatches:
    """See `ruie.llm.batches.service.BatchService`."""

    most_requests = 5_000
    most_bytes = 200_000_000

    def __init__(self, transport: Transport) -> None:
        self._http = BatchHttp(transport)

    def line(self, custom_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"custom_id": custom_id, "body": body}

    async def stage(self, path: Path, name: str) -> str:
        return ""

    async def unstage(self, staged: str) -> None:
        pass

    async def create(
        self, staged: str, path: Path, token: str, model: str
    ) -> RemoteBatch | NotCreated | Unconfirmed:
        # the document is read as it comes: what holds for all requests has to stand before them
        body = {"endpoint": ENDPOINT, "model": model, "metadata": {TOKEN: token}}
        return await created(self._created(body, path))

    async def _created(self, body: Mapping[str, Any], path: Path) -> RemoteBatch:
        return read_batch(await self._http.post_lines("/batches", body, path), self._http.url)

    async def find(self, sought: Sought) -> Found:
        return await find_listed(self._http, sought)

    async def get(self, batch_id: str) -> RemoteBatch | None:
        raw = await self._http.find(f"/batches/{batch_id}")
        return None if raw is None else read_batch(raw, self._http.url)

    async def cancel(self, batch_id: str) -> None:
        """It goes on until it has ended."""

    async def results(self, batch: RemoteBatch, folder: Path) -> AsyncIterator[Line]:
        query: dict[str, Any] = {"limit": RESULTS}
        while True:
            page = await self._http.get(f"/batches/{batch.id}/results", query)
            if not isinstance(page.get("data"), list):
                raise TransientCallError(f"{self._http.url} sent a page of results without any.")
            for raw in objects(page["data"]):
                if (line := read_result(raw)) is not None:
                    yield line
            cursor = page.get("next_cursor")
            if not cursor or cursor == query.get("cursor"):
                return
            query = {"limit": RESULTS, "cursor": cursor}

    async def discard(self, batch: RemoteBatch, *, keep_input: bool = False) -> None:
        await self._http.delete(f"/batches/{batch.id}")

    async def close(self) -> None:
        await self._http.close()
