"""What the process of the scripted batch provider knows: its plans, files, batches and books."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web
from support.batch_provider_books import Batch, Books, Call, File
from support.batch_provider_plan import BatchPlan, Draws
from support.metered_app import App
from support.replies import Reply

_PREFIXES = {"openai": "batch_", "inline": "batch_", "anthropic": "msgbatch_"}


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Provider:
    """One for the process. `ordinary`: the endpoint for single calls, whose plan says too how the
    requests of a batch are answered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("files", "inputs", "results"):
            (folder / name).mkdir(exist_ok=True)
        self.books = Books(folder / "books.sqlite", write=True)
        self.ordinary = App()
        self.plan = BatchPlan()
        self.draws = Draws(self.plan)
        self.batches: dict[str, Batch] = {}
        self.files: dict[str, File] = {}
        self._calls = 0
        self._files = 0
        self._requests = 0

    def behave(self, plan: BatchPlan) -> None:
        self.plan = plan
        self.draws = Draws(plan)

    def new_call(self, asked: str, target: str) -> Call:
        call = Call(self._calls, time.time(), asked, target)
        self._calls += 1
        self.books.put(call)
        return call

    def next_request(self) -> int:
        """The number of one more request of a batch."""
        self._requests += 1
        return self._requests

    # Files

    def path(self, file_id: str) -> Path:
        return self.folder / "files" / file_id

    def new_file(self, file_id: str, filename: str, purpose: str, batch: str = "") -> File:
        """Enter a file that lies in its place already."""
        size = self.path(file_id).stat().st_size
        file = File(file_id, self._files, filename, purpose, size, time.time(), batch)
        self._files += 1
        self.files[file_id] = file
        self.books.put(file)
        return file

    def file(self, file_id: str) -> File:
        if file_id not in self.files:
            raise Refused(404, f"No such File object: {file_id}")
        return self.files[file_id]

    def delete_file(self, file_id: str) -> None:
        file = self.file(file_id)
        file.deleted = True
        self.books.put(file)
        del self.files[file_id]
        self.path(file_id).unlink()

    # Batches

    def new_batch(self, form: str, call: Call, body: Mapping[str, Any]) -> Batch:
        metadata = body.get("metadata") or {}
        now = time.time()
        batch = Batch(
            id=_new_id(form),
            number=len(self.batches),
            form=form,
            call=call.number,
            created_at=now,
            metadata=json.dumps(metadata),
            token=metadata.get("ruie", ""),
            endpoint=body.get("endpoint", ""),
            model=body.get("model") or "",
            listed_from=now,
        )
        call.batch = batch.id
        self.batches[batch.id] = batch
        return batch

    def keep_requests(self, batch: Batch, requests: list[dict[str, Any]]) -> Path:
        """Requests that came inline, one a line."""
        source = self.folder / "inputs" / f"{batch.id}.jsonl"
        with source.open("w") as lines:
            lines.writelines(json.dumps(request) + "\n" for request in requests)
        return source

    def remove(self, batch: Batch) -> None:
        """A client deletes a batch, and its results."""
        if not batch.ended:
            raise Refused(409, f"The batch is {batch.state}.")
        batch.deleted = True
        self.books.put(batch)
        self.results(batch).unlink(missing_ok=True)

    def twin(self, batch: Batch) -> Batch:
        """A second batch that one create made."""
        number = len(self.batches)
        twin = replace(batch, id=_new_id(batch.form), number=number, twin_of=batch.id, faults="")
        self.batches[twin.id] = twin
        return twin

    def results(self, batch: Batch) -> Path:
        """Where the lines are, of a form without files for good."""
        return self.folder / "results" / batch.id

    def batch(self, batch_id: str, *forms: str) -> Batch:
        """One that a client can see."""
        batch = self.batches.get(batch_id)
        if batch is None or batch.form not in forms or not self.visible(batch):
            raise Refused(404, f"No batch found with id '{batch_id}'.")
        return batch

    def listed(self, *forms: str) -> list[Batch]:
        """What a list shows, the newest first."""
        now = time.time()
        return [
            batch
            for batch in reversed(self.batches.values())
            if batch.form in forms and self.visible(batch) and batch.listed_from <= now
        ]

    def visible(self, batch: Batch) -> bool:
        return not batch.deleted and not self.vanished(batch)

    def vanished(self, batch: Batch) -> bool:
        return 0 < batch.vanishes_at <= time.time()

    def enqueued(self, model: str) -> int:
        """Tokens of the prompts of a model's batches that have not ended."""
        return sum(
            batch.prompt_tokens
            for batch in self.batches.values()
            if batch.model == model and not batch.ended
        )

    def cancel(self, batch: Batch, by: str = "client") -> None:
        if batch.ended:
            raise Refused(409, f"Cannot cancel a batch with status '{batch.state}'.")
        if batch.state != "cancelling":
            batch.state, batch.cancelled_by = "cancelling", by
            batch.cancelling_at = time.time()
            self.books.put(batch)


def new_id(prefix: str) -> str:
    return f"{prefix}{secrets.token_hex(12)}"


def _new_id(form: str) -> str:
    """Of a batch."""
    return str(uuid4()) if form == "mistral" else new_id(_PREFIXES[form])


def plain(reply: Reply) -> web.Response:
    return web.Response(body=reply.body, status=reply.status, headers=reply.headers)
