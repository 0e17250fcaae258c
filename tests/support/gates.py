"""The processes of a fleet, each with a gate of its own, over one database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import Engine
from support.clients import CALL
from support.replies import JSON, Reply, answer

from ruie.db.engine import open_engine
from ruie.errors import CallError
from ruie.llm import Call, Completion, LLMClient
from ruie.llm.gate import Gate
from ruie.worker.batches.ledger import FleetLedger
from ruie.worker.batches.store import Store

PROCESSES = 2
CALLS = 16
T = TypeVar("T")


def refusal(name: str, message: str) -> Reply:
    body = {"error": {"message": message, "param": name, "code": "unsupported_parameter"}}
    return Reply(json.dumps(body).encode(), 400, dict(JSON))


def reasoning_model(body: dict[str, Any], _: int) -> Reply:
    """As OpenAI's reasoning models: other names, no temperature, no stop."""
    if "max_tokens" in body:
        use = "Unsupported parameter: 'max_tokens' is not supported with this model. "
        return refusal("max_tokens", use + "Use 'max_completion_tokens' instead.")
    for name in ("temperature", "stop"):
        if name in body:
            return refusal(name, f"Unsupported parameter: '{name}' is not supported.")
    return answer("PERSON: Ada END and more", delay_s=0.05)


def fleet(
    url: str, engine: Engine, use: Callable[[list[LLMClient]], Awaitable[T]], calls: int = CALLS
) -> T:
    """Run `use` with the clients of some processes: each has its own gate and database engine."""

    async def run() -> T:
        stores = [Store(open_engine(engine.url.render_as_string(False))) for _ in range(PROCESSES)]
        clients = [
            LLMClient(url, timeout_s=5.0, max_in_flight=calls, gate=Gate(FleetLedger(store)))
            for store in stores
        ]
        try:
            return await use(clients)
        finally:
            for client in clients:
                await client.close()
            for store in stores:
                store.close()

    return asyncio.run(run())


def different(number: int) -> Call:
    return replace(CALL, key=f"question {number}", stop=("\n", " END"), reasoning_tokens=100)


async def ask(client: LLMClient, call: Call) -> Completion | CallError:
    try:
        return await client.complete(call)
    except CallError as error:
        return error


async def all_at_once(clients: list[LLMClient]) -> list[Completion | CallError]:
    calls = [ask(client, different(n)) for client in clients for n in range(CALLS)]
    return await asyncio.gather(*calls)
