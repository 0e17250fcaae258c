"""Batches in Anthropic's form: Message Batches, without files and without metadata.
platform.claude.com/docs/en/build-with-claude/batch-processing

A batch whose creation was not confirmed can only be recognised by the custom_ids of its results,
when it has ended. Until then every batch of the account that was created in these minutes with as
many requests may be it, or may be somebody else's.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
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
from ruie.llm.transport import Transport

PAGE = 100
LEFT = ("canceled", "expired")
"""Results of requests that the provider did not come to: as if no line had come for them."""
COUNTS = ("processing", "succeeded", "errored", *LEFT)
MOST_REMEMBERED = 1000


class AnthropicBatches:
    """See `ruie.llm.batches.service.BatchService`."""

    most_requests = 100_000
    most_bytes = 256_000_000

    def __init__(self, transport: Transport) -> None:
        self._http = BatchHttp(transport)
        self._batches = f"{transport.page}/batches"
        self._tokens: dict[str, str] = {}
        """Of batches that have ended, by id."""

    def line(self, custom_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"custom_id": custom_id, "params": body}

    async def stage(self, path: Path, name: str) -> str:
        return ""

    async def unstage(self, staged: str) -> None:
        pass

    async def create(
        self, staged: str, path: Path, token: str, model: str
    ) -> RemoteBatch | NotCreated | Unconfirmed:
        return await created(self._created(path))

    async def _created(self, path: Path) -> RemoteBatch:
        return _batch(await self._http.post_lines(self._batches, {}, path), self._http.url)

    async def find(self, sought: Sought) -> Found:
        found: list[RemoteBatch] = []
        undecided = 0
        async for raw in self._listed():
            batch = _batch(raw, self._http.url)
            if batch.created and batch.created < sought.since:
                break  # the newest come first
            other = batch.id in sought.known or _count(raw) != sought.requests
            if other or batch.created > sought.until:
                continue
            if batch.phase is Phase.RUNNING:
                undecided += 1
            elif await self._token(batch) == sought.token:
                found.append(batch)
        return Found(oldest_first(found), undecided)

    async def _listed(self) -> AsyncIterator[Mapping[str, Any]]:
        query: dict[str, Any] = {"limit": PAGE}
        while True:
            page = await self._http.get(self._batches, query)
            listed = objects(page.get("data"))
            for each in listed:
                yield each
            if not page.get("has_more") or not listed:
                return
            query = {"limit": PAGE, "after_id": id_of(listed[-1], self._http.url)}

    async def _token(self, batch: RemoteBatch) -> str:
        """With which the custom_ids of a batch that has ended end: one has the same in all."""
        if batch.id not in self._tokens:
            first = await self._http.first_line(self._results(batch.id))
            if len(self._tokens) >= MOST_REMEMBERED:
                self._tokens.clear()
            self._tokens[batch.id] = _custom_id(first).rpartition("-")[2]
        return self._tokens[batch.id]

    async def get(self, batch_id: str) -> RemoteBatch | None:
        raw = await self._http.find(f"{self._batches}/{batch_id}")
        return None if raw is None else _batch(raw, self._http.url)

    async def cancel(self, batch_id: str) -> None:
        await self._http.cancel(f"{self._batches}/{batch_id}/cancel")

    async def results(self, batch: RemoteBatch, folder: Path) -> AsyncIterator[Line]:
        path = folder / "results"
        await self._http.download(self._results(batch.id), path)
        with path.open("rb") as lines:
            for raw in lines:
                if (line := results_line(raw)) is not None:
                    yield line
        path.unlink()

    async def discard(self, batch: RemoteBatch, *, keep_input: bool = False) -> None:
        await self._http.delete(f"{self._batches}/{batch.id}")

    async def close(self) -> None:
        await self._http.close()

    def _results(self, batch_id: str) -> str:
        return f"{self._batches}/{batch_id}/results"


def _batch(raw: Mapping[str, Any], url: str) -> RemoteBatch:
    state = str(raw.get("processing_status") or "")
    ended = state == "ended"
    counts = _counts(raw)
    left = [name for name in LEFT if counts.get(name)]
    return RemoteBatch(
        id=id_of(raw, url),
        state=left[0] if ended and left else state,
        phase=Phase.ENDED if ended else Phase.RUNNING,
        complete=ended and not left,
        created=_seconds(raw.get("created_at")),
        answered=count_of(raw.get("request_counts"), "succeeded"),
        failed=count_of(raw.get("request_counts"), "errored"),
    )


def _counts(raw: Mapping[str, Any]) -> Mapping[str, int]:
    counts = raw.get("request_counts")
    if not isinstance(counts, dict):
        return {}
    return {name: n for name in COUNTS if isinstance(n := counts.get(name), int)}


def _count(raw: Mapping[str, Any]) -> int:
    """How many requests a batch has, whatever has become of them."""
    return sum(_counts(raw).values())


def _seconds(moment: object) -> float:
    try:
        at = datetime.fromisoformat(str(moment))
    except ValueError:
        return 0.0
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _custom_id(raw: bytes) -> str:
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return ""
    return str(line.get("custom_id") or "") if isinstance(line, dict) else ""


def results_line(raw: bytes) -> Line | None:
    """None: that is no line of results, or of a request that the provider did not come to."""
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or not isinstance(line.get("custom_id"), str):
        return None
    result = line.get("result")
    if not isinstance(result, dict) or result.get("type") in LEFT:
        return None
    if result.get("type") == "succeeded":
        return Line(line["custom_id"], 200, result.get("message"))
    return Line(line["custom_id"], None, result.get("error") or {"error": "no answer"})
