"""Clients that speak Anthropic's Messages with a scripted endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from support.clients import CALL
from support.endpoint import ScriptedEndpoint

from ruie.llm import Call, Completion, LLMClient, Transport
from ruie.llm.keys import Key

T = TypeVar("T")


def using(client: LLMClient, use: Callable[[LLMClient], Awaitable[T]]) -> T:
    async def run() -> T:
        try:
            return await use(client)
        finally:
            await client.close()

    return asyncio.run(run())


def speaking(endpoint: ScriptedEndpoint, **options: Any) -> LLMClient:
    return LLMClient(Transport(endpoint.url, Key("sk-1"), form="messages"), **options)


def asked(endpoint: ScriptedEndpoint, call: Call = CALL, **options: Any) -> Completion:
    return using(speaking(endpoint, timeout_s=5, **options), lambda c: c.complete(call))
