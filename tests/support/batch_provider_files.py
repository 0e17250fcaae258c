"""Files of the scripted batch provider, in OpenAI's form and Mistral's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from aiohttp import BodyPartReader, web
from support.batch_provider_books import Call, File
from support.batch_provider_http import PART, Front, send_file
from support.batch_provider_state import Provider, Refused, new_id

T = TypeVar("T")


class Files:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def routes(self, front: Front) -> list[web.RouteDef]:
        return [
            front.route("POST", "/v1/files", "upload", self.upload),
            front.route("GET", "/v1/files", "files", self.list),
            front.route("GET", "/v1/files/{id}", "file", self.get),
            front.route("GET", "/v1/files/{id}/content", "content", self.content),
            front.route("DELETE", "/v1/files/{id}", "delete", self.delete),
        ]

    async def upload(self, request: web.Request, _: Call) -> web.StreamResponse:
        file_id, purpose, filename, size = new_id("file-"), "", "", -1
        path = self._provider.path(file_id)
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise Refused(400, "A part within a part is not expected.")
            if part.name == "purpose":
                purpose = await part.text()
            elif part.name == "file":
                filename, size = part.filename or "upload", 0
                with path.open("wb") as output:
                    while chunk := await part.read_chunk(PART):
                        size += output.write(chunk)
        why = self._unfit(purpose, filename, size)
        if why:
            path.unlink(missing_ok=True)
            raise Refused(400, why)
        return web.json_response(_file(self._provider.new_file(file_id, filename, purpose)))

    def _unfit(self, purpose: str, filename: str, size: int) -> str:
        if size < 0:
            return "'file' is a required property"
        if purpose != "batch":
            return f"'{purpose}' is not one of ['batch'] - 'purpose'"
        if not filename.endswith(".jsonl"):
            return "Invalid file format for Batch API. Must be .jsonl"
        return "File is too large." if size > self._provider.plan.most_bytes else ""

    async def list(self, request: web.Request, _: Call) -> web.StreamResponse:
        purpose = request.query.get("purpose")
        files = [f for f in self._provider.files.values() if purpose in (None, f.purpose)]
        if request.query.get("order", "desc") == "desc":
            files.reverse()
        if "page" in request.query or "page_size" in request.query:
            data = [_file(file) for file in numbered_page(files, request)]
            return web.json_response({"object": "list", "data": data, "total": len(files)})
        page, more = paged([f.id for f in files], request, usual=10_000, most=10_000)
        return listing([_file(self._provider.file(file_id)) for file_id in page], more)

    async def get(self, request: web.Request, _: Call) -> web.StreamResponse:
        return web.json_response(_file(self._provider.file(request.match_info["id"])))

    async def content(self, request: web.Request, call: Call) -> web.StreamResponse:
        file = self._provider.file(request.match_info["id"])
        batch = self._provider.batches.get(file.batch)
        if batch is not None:
            call.batch = batch.id
            batch.read = batch.read or (not call.fault and file.id == batch.output_file)
            self._provider.books.put(batch)
        return send_file(request, self._provider.path(file.id))

    async def delete(self, request: web.Request, _: Call) -> web.StreamResponse:
        file_id = request.match_info["id"]
        self._provider.delete_file(file_id)
        return web.json_response({"id": file_id, "object": "file", "deleted": True})


def _file(file: File) -> dict[str, object]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": int(file.created_at),
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        # Mistral's alone
        "sample_type": "batch_result" if file.batch else "batch_request",
        "source": "mistral" if file.batch else "upload",
    }


def paged(ids: list[str], request: web.Request, usual: int, most: int) -> tuple[list[str], bool]:
    """The page that a request asks for by `after` and `limit`, and whether there are more."""
    after, limit = request.query.get("after"), int(request.query.get("limit", usual))
    if not 1 <= limit <= most:
        raise Refused(400, f"limit is from 1 to {most}")
    if after is not None and after not in ids:
        raise Refused(400, f"after: there is no '{after}'")
    start = 0 if after is None else ids.index(after) + 1
    return ids[start : start + limit], start + limit < len(ids)


def numbered_page(rows: Sequence[T], request: web.Request) -> Sequence[T]:
    """The page that a request asks for as Mistral does: by `page`, from 0, and `page_size`."""
    page, size = int(request.query.get("page", 0)), int(request.query.get("page_size", 100))
    return rows[page * size : (page + 1) * size]


def listing(data: list[dict[str, object]], more: bool) -> web.Response:
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return web.json_response(
        {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": more}
    )
