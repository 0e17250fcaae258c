"""The services of every form of batches, as tests use them: each call in an event loop of its own,
about requests of documents of `support.corpus`."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.batch_provider import BatchProvider
from support.batch_requests import requests
from support.waiting import PATIENCE_S

from ruie.llm.batches import BatchService, Line, Phase, RemoteBatch, Sought
from ruie.llm.batches.forms import BatchForm, open_service
from ruie.llm.transport import Transport

WITH_FILES = (BatchForm.OPENAI, BatchForm.MISTRAL)
HOUR_S = 3600.0


@dataclass
class Client:
    """A service of one form, each call in an event loop of its own."""

    form: BatchForm
    provider: BatchProvider
    folder: Path

    def __post_init__(self) -> None:
        self.began = time.time()
        self.token = secrets.token_hex(12)
        api = "messages" if self.form is BatchForm.ANTHROPIC else "chat"
        self.transport = Transport(self.provider.url, form=api)

    def ask(self, method: str, *values: Any, **more: Any) -> Any:
        async def run() -> Any:
            service = open_service(self.form, self.transport)
            try:
                return await getattr(service, method)(*values, **more)
            finally:
                await service.close()

        return asyncio.run(run())

    def file(self, count: int = 6, token: str = "") -> Path:
        path = self.folder / "requests.jsonl"
        service: BatchService = open_service(self.form, self.transport)
        asked = requests(count, token=token or self.token)
        lines = [service.line(r["custom_id"], r["body"]) for r in asked]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return path

    def create(self, count: int = 6, token: str = "") -> Any:
        path = self.file(count, token)
        staged = self.ask("stage", path, f"ruie-{token}-{time.time_ns()}.jsonl")
        assert bool(staged) == (self.form in WITH_FILES)
        return self.ask("create", staged, path, token or self.token, "scripted")

    def made(self, count: int = 6, token: str = "") -> RemoteBatch:
        batch = self.create(count, token)
        assert isinstance(batch, RemoteBatch)
        return batch

    def ended(self, batch: RemoteBatch) -> RemoteBatch:
        end = time.monotonic() + PATIENCE_S
        while (found := self.ask("get", batch.id)).phase is Phase.RUNNING:
            assert time.monotonic() < end
            time.sleep(0.02)
        assert isinstance(found, RemoteBatch)
        return found

    def lines(self, batch: RemoteBatch) -> list[Line]:
        async def run() -> list[Line]:
            service = open_service(self.form, self.transport)
            try:
                return [line async for line in service.results(batch, self.folder)]
            finally:
                await service.close()

        return asyncio.run(run())

    def sought(self, count: int = 6, token: str = "", **more: Any) -> Sought:
        return Sought(token or self.token, self.began - 1, time.time() + HOUR_S, count, **more)

    def found(self, count: int = 6, token: str = "", **more: Any) -> tuple[list[str], int]:
        found = self.ask("find", self.sought(count, token, **more))
        return [batch.id for batch in found.batches], found.undecided
