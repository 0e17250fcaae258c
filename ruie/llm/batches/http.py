"""HTTP with a provider's batch endpoint: JSON, files both ways, and what a create has come to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ruie.errors import CallError, ModelError, TransientCallError, UnreachableError
from ruie.llm.batches.service import NotCreated, RemoteBatch, Unconfirmed
from ruie.llm.failures import call_error
from ruie.llm.response import read_document
from ruie.llm.transport import Transport
from ruie.llm.unreachable import unanswered_error

if TYPE_CHECKING:
    import httpx2
    import openai

REQUEST_S = 60.0
FILE_S = 1800.0
"""For a file of 200 MB over a slow line."""
UNDECIDED = {408, 409, 425, 499}
"""Statuses below 500 that do not say that nothing was made."""
ENDED_ALREADY = (400, 404, 409)
"""What a provider may say to the cancelling of a batch that has ended, or is being cancelled."""


class BatchHttp:
    """Requests to one provider. For one event loop. Every method raises `CallError`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.url = transport.shown_url
        self._opened: openai.AsyncOpenAI | None = None

    async def get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object at a path."""

        async def ask(client: openai.AsyncOpenAI, options: Any) -> httpx2.Response:
            options["params"] = dict(query or {})
            return await client.get(path, cast_to=_response(), options=options)

        return await self._json(path, ask)

    async def find(self, path: str) -> dict[str, Any] | None:
        """Likewise; None: there is nothing."""
        try:
            return await self.get(path)
        except CallError as error:
            if error.status == 404:
                return None
            raise

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that answers a JSON object."""

        async def ask(client: openai.AsyncOpenAI, options: Any) -> httpx2.Response:
            return await client.post(path, cast_to=_response(), body=body, options=options)

        return await self._json(path, ask)

    async def post_lines(self, path: str, body: Mapping[str, Any], lines: Path) -> dict[str, Any]:
        """Likewise, of an object whose last field, `requests`, is a list of the lines of a file,
        which is not held in memory. body: the other fields, which come first."""
        from ruie.llm.batches.lines_body import LinesBody

        whole = LinesBody(body, lines)

        async def ask(client: openai.AsyncOpenAI, options: Any) -> httpx2.Response:
            options["headers"] = {
                "Content-Type": "application/json",
                "Content-Length": str(whole.size),
            }
            return await client.post(
                path, cast_to=_response(), content=whole.parts(), options=options
            )

        return await self._json(path, ask, FILE_S)

    async def upload(self, path: Path, name: str) -> dict[str, Any]:
        """What describes a file of requests that was uploaded under a name."""

        async def ask(client: openai.AsyncOpenAI, options: Any) -> httpx2.Response:
            options["headers"] = {"Content-Type": "multipart/form-data"}
            with path.open("rb") as content:
                return await client.post(
                    "/files", cast_to=_response(), body={"purpose": "batch"},
                    files={"file": (name, content)}, options=options,
                )  # fmt: skip  # one request

        return await self._json("/files", ask, FILE_S)

    async def delete(self, path: str) -> None:
        """Delete what is there, if it is."""

        async def ask(client: openai.AsyncOpenAI, options: Any) -> httpx2.Response:
            return await client.delete(path, cast_to=_response(), options=options)

        try:
            await self._json(path, ask)
        except CallError as error:
            if error.status != 404:
                raise

    async def cancel(self, path: str) -> None:
        """Ask the provider to end a batch, unless it has ended."""
        try:
            await self.post(path, {})
        except CallError as error:
            if error.status not in ENDED_ALREADY:
                raise

    async def download(self, path: str, target: Path) -> None:
        """The whole file, or none: half of one has lines that look as if they were missing."""
        half = target.with_suffix(".half")
        async with self._streamed(path) as response:
            with half.open("wb") as written:
                async for part in response.aiter_bytes():
                    written.write(part)
            stated = response.headers.get("content-length", "")
            plain = "content-encoding" not in response.headers
        if plain and stated.isdigit() and half.stat().st_size != int(stated):
            raise TransientCallError(f"{self.url} broke off a file of results.")
        half.replace(target)

    async def first_line(self, path: str) -> bytes:
        """The first line of a file, of which no more is read."""
        found = b""
        async with self._streamed(path) as response:
            async for part in response.aiter_bytes():
                line, ended, _ = part.partition(b"\n")
                found += line
                if ended and found.strip():
                    break
        return found

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    @asynccontextmanager
    async def _streamed(self, path: str) -> AsyncIterator[httpx2.Response]:
        import openai

        def ask(client: openai.AsyncOpenAI, options: Any) -> Awaitable[Any]:
            return client.get(
                path, cast_to=_response(), options=options, stream=True,
                stream_cls=openai.AsyncStream[Any],
            )  # fmt: skip  # one request

        async with self._failures(path, FILE_S):
            # with `cast_to` of a response the library returns that, before its body is read
            response = cast("httpx2.Response", await ask(self._client(), _timeout(FILE_S)))
            try:
                yield response
            finally:
                await response.aclose()

    async def _json(
        self,
        path: str,
        ask: Callable[[openai.AsyncOpenAI, Any], Awaitable[httpx2.Response]],
        seconds: float = REQUEST_S,
    ) -> dict[str, Any]:
        async with self._failures(path, seconds):
            response = await ask(self._client(), _timeout(seconds))
        document = read_document(response.content, self.url)
        return document if isinstance(document, dict) else {}

    @asynccontextmanager
    async def _failures(self, path: str, seconds: float) -> AsyncIterator[None]:
        import aiohttp
        import openai
        from httpx2 import HTTPError

        try:
            yield
        except openai.APIStatusError as error:
            raise self._refused(error, path) from None
        except (openai.OpenAIError, aiohttp.ClientError, HTTPError, ValueError) as error:
            raise unanswered_error(error, self.url, seconds) from None

    def _client(self) -> openai.AsyncOpenAI:
        if self._opened is None:
            connections = self._transport.connect(bounded=False)
            self._opened = self._transport.library(connections)
        return self._opened

    def _refused(self, error: openai.APIStatusError, path: str) -> CallError:
        failure = call_error(error.response, self.url, "", path)
        # where there is no such page; else what is missing is one batch, or one file
        if isinstance(failure, ModelError) and path.endswith(("/files", "/batches", "/jobs")):
            missing = ModelError(
                f"{self.url} has no {path} ({error.status_code}).",
                "It takes no batches in this form: choose another by RUIE_LLM_BATCHES, or use the"
                " mode standard.",
            )
            missing.status = failure.status
            return missing
        return failure


async def created(asking: Awaitable[RemoteBatch]) -> RemoteBatch | NotCreated | Unconfirmed:
    """What the request for a batch has come to."""
    try:
        return await asking
    except UnreachableError as error:
        return NotCreated(error)
    except CallError as error:
        refused = error.status is not None and 400 <= error.status < 500
        if refused and error.status not in UNDECIDED:
            return NotCreated(error)
        return Unconfirmed(error)


def count_of(counts: Any, name: str) -> int:
    """A number of requests that a provider states; 0 for anything else."""
    number = counts.get(name) if isinstance(counts, dict) else None
    return number if isinstance(number, int) and number >= 0 else 0


def id_of(raw: Mapping[str, Any], url: str) -> str:
    """The id of what a response describes. Raises `TransientCallError` where it has none."""
    if not isinstance(raw.get("id"), str) or not raw["id"]:
        raise TransientCallError(f"{url} sent a response without an id.", maybe_charged=True)
    return str(raw["id"])


def objects(listed: object) -> list[dict[str, Any]]:
    """What stands in a list of objects."""
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _timeout(seconds: float) -> Any:
    from httpx2 import Timeout

    return {"timeout": Timeout(seconds, connect=10.0)}


def _response() -> type[httpx2.Response]:
    from httpx2 import Response

    return Response
