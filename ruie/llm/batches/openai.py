"""Batches in the form of the OpenAI API: files of requests (developers.openai.com/api/docs/guides/
batch). Azure, Groq and Together have it too."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruie.errors import CallError, ModelError, TransientCallError, UnreachableError
from ruie.llm.batches.service import Line, NotCreated, Phase, RemoteBatch, Unconfirmed
from ruie.llm.error_body import read_error_body
from ruie.llm.failures import call_error
from ruie.llm.response import read_document
from ruie.llm.transport import Transport
from ruie.llm.unreachable import unanswered_error

if TYPE_CHECKING:
    import openai

ENDPOINT = "/v1/chat/completions"
TOKEN = "ruie"
"""The name of our token in a batch's metadata."""
REQUEST_S = 60.0
FILE_S = 1800.0
"""For a file of 200 MB over a slow line."""
PAGE = 100
UNDECIDED = {408, 409, 425, 499}
"""Statuses below 500 that do not say that nothing was made."""
PHASES = {
    **dict.fromkeys(("completed", "expired", "cancelled"), Phase.ENDED),
    "failed": Phase.FAILED,
}
"""Any other state: it is still running."""
NEVER_BEGUN = {"batch_expired", "batch_cancelled"}
"""Codes of requests that the provider did not come to: as if no line had come for them."""
ENQUEUED = ("token_limit_exceeded", "enqueued_token_limit", "enqueued token limit")


class OpenAIBatches:
    """See `ruie.llm.batches.service.BatchService`. For one event loop."""

    most_requests = 50_000
    most_bytes = 200_000_000

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._url = transport.shown_url
        self._opened: openai.AsyncOpenAI | None = None

    def line(self, custom_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return batch_line(custom_id, body)

    async def stage(self, path: Path, name: str) -> str:
        for file in (await self._json("GET", "/files", {"purpose": "batch"})).get("data") or ():
            if isinstance(file, dict) and file.get("filename") == name and file.get("id"):
                return str(file["id"])
        with path.open("rb") as content:
            uploaded = await self._json(
                "POST", "/files", {"purpose": "batch"}, content=(name, content)
            )
        return _id(uploaded, self._url)

    async def unstage(self, staged: str) -> None:
        await self._delete(staged)

    async def create(
        self, staged: str, path: Path, token: str
    ) -> RemoteBatch | NotCreated | Unconfirmed:
        body = {
            "input_file_id": staged,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {TOKEN: token},
        }
        try:
            return _batch(await self._json("POST", "/batches", body), self._url)
        except UnreachableError as error:
            return NotCreated(error)
        except CallError as error:
            refused = error.status is not None and 400 <= error.status < 500
            if refused and error.status not in UNDECIDED:
                return NotCreated(error)
            return Unconfirmed(error)

    async def find(self, token: str, since: float) -> list[RemoteBatch]:
        found: list[RemoteBatch] = []
        async for raw in self._listed():
            batch = _batch(raw, self._url)
            if batch.created and batch.created < since:
                break  # the newest come first
            if batch.token == token:
                found.append(batch)
        return sorted(found, key=lambda batch: batch.created)

    async def _listed(self) -> AsyncIterator[Mapping[str, Any]]:
        query: dict[str, Any] = {"limit": PAGE}
        while True:
            page = await self._json("GET", "/batches", query)
            listed = [each for each in page.get("data") or () if isinstance(each, dict)]
            for each in listed:
                yield each
            if not page.get("has_more") or not listed:
                return
            query = {"limit": PAGE, "after": _id(listed[-1], self._url)}

    async def get(self, batch_id: str) -> RemoteBatch | None:
        try:
            return _batch(await self._json("GET", f"/batches/{batch_id}"), self._url)
        except CallError as error:
            if error.status == 404:
                return None
            raise

    async def cancel(self, batch_id: str) -> None:
        try:
            await self._json("POST", f"/batches/{batch_id}/cancel", {})
        except CallError as error:
            # it has ended by itself, or is being cancelled
            if error.status not in (400, 409):
                raise

    async def results(self, batch: RemoteBatch, folder: Path) -> AsyncIterator[Line]:
        for purpose in ("output", "error"):
            if file := batch.files.get(purpose):
                path = folder / purpose
                await self._download(file, path)
                with path.open("rb") as lines:
                    for raw in lines:
                        if (line := results_line(raw)) is not None:
                            yield line
                path.unlink()

    async def discard(self, batch: RemoteBatch, *, keep_input: bool = False) -> None:
        for purpose, file in batch.files.items():
            if purpose != "input" or not keep_input:
                await self._delete(file)

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    def _client(self) -> openai.AsyncOpenAI:
        if self._opened is None:
            self._opened = self._transport.open(bounded=False)
        return self._opened

    async def _delete(self, file: str) -> None:
        try:
            await self._json("DELETE", f"/files/{file}")
        except CallError as error:
            if error.status != 404:
                raise

    async def _download(self, file: str, path: Path) -> None:
        """The whole file, or none: half of one has lines that look as if they were missing."""
        import aiohttp
        import openai
        from httpx2 import HTTPError, Timeout

        half = path.with_suffix(".half")
        try:
            streamed = self._client().files.with_streaming_response.content(
                file, timeout=Timeout(FILE_S, connect=10.0)
            )
            async with streamed as response:
                with half.open("wb") as written:
                    async for part in response.iter_bytes():
                        written.write(part)
                stated = response.headers.get("content-length", "")
                plain = "content-encoding" not in response.headers
        except openai.APIStatusError as error:
            raise self._failed(error, "/files") from None
        except (openai.OpenAIError, aiohttp.ClientError, HTTPError) as error:
            raise unanswered_error(error, self._url, FILE_S) from None
        if plain and stated.isdigit() and half.stat().st_size != int(stated):
            raise TransientCallError(f"{self._url} broke off a file of results.")
        half.replace(path)

    async def _json(
        self,
        method: str,
        path: str,
        values: Mapping[str, Any] | None = None,
        content: tuple[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The JSON object of a response. values: the query of a GET, else the body; content: a
        file that goes with it, by name. Raises `CallError`."""
        import aiohttp
        import openai
        from httpx2 import HTTPError, Response, Timeout

        client = self._client()
        seconds = FILE_S if content else REQUEST_S
        options: Any = {"timeout": Timeout(seconds, connect=10.0)}
        try:
            if method == "GET":
                options["params"] = dict(values or {})
                response = await client.get(path, cast_to=Response, options=options)
            elif method == "DELETE":
                response = await client.delete(path, cast_to=Response, options=options)
            elif content is None:
                response = await client.post(path, cast_to=Response, body=values, options=options)
            else:
                options["headers"] = {"Content-Type": "multipart/form-data"}
                response = await client.post(
                    path, cast_to=Response, body=values, files={"file": content}, options=options
                )
        except openai.APIStatusError as error:
            raise self._failed(error, path) from None
        except (openai.OpenAIError, aiohttp.ClientError, HTTPError, ValueError) as error:
            raise unanswered_error(error, self._url, seconds) from None
        document = read_document(response.content, self._url)
        return document if isinstance(document, dict) else {}

    def _failed(self, error: openai.APIStatusError, path: str) -> CallError:
        failure = call_error(error, self._url, "")
        if isinstance(failure, ModelError) and path in ("/files", "/batches"):
            missing = ModelError(
                f"{self._url} has no {path} ({error.status_code}).",
                "It takes no batches: use the mode standard.",
            )
            missing.status = failure.status
            return missing
        return failure


def _id(raw: Mapping[str, Any], url: str) -> str:
    if not isinstance(raw.get("id"), str) or not raw["id"]:
        raise TransientCallError(f"{url} sent a response without an id.", maybe_charged=True)
    return str(raw["id"])


def _batch(raw: Mapping[str, Any], url: str) -> RemoteBatch:
    state = str(raw.get("status") or "")
    metadata = raw.get("metadata")
    files = {
        purpose: str(raw[f"{purpose}_file_id"])
        for purpose in ("input", "output", "error")
        if raw.get(f"{purpose}_file_id")
    }
    errors = raw.get("errors")
    codes = json.dumps(errors).lower() if errors else ""
    return RemoteBatch(
        id=_id(raw, url),
        state=state,
        phase=PHASES.get(state, Phase.RUNNING),
        token=str(metadata.get(TOKEN) or "") if isinstance(metadata, dict) else "",
        created=float(raw.get("created_at") or 0.0),
        files=files,
        reason=read_error_body(errors).words() if errors else "",
        too_many_tokens=any(each in codes for each in ENQUEUED),
    )


def batch_line(custom_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A request as it stands in a file."""
    return {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body}


def results_line(raw: bytes) -> Line | None:
    """None: that is no line of results. What cannot be read counts as not come."""
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
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
