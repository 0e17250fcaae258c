"""An LLM client with a scripted endpoint, and a hook that writes down what it sees."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from support.endpoint import Script, ScriptedEndpoint

from ruie.errors import CallError
from ruie.llm import Call, Completion, LLMClient

T = TypeVar("T")
CALL = Call("scripted", ({"role": "user", "content": "Ada?"},), max_tokens=9, prompt_tokens=3)


class Recorder:
    """A hook that writes down what happens around each call."""

    def __init__(self) -> None:
        self.permits = 0
        self.outcomes: list[tuple[int, Completion | CallError]] = []

    async def before(self, call: Call) -> int:
        self.permits += 1
        return self.permits

    async def after(self, permit: int, call: Call, outcome: Completion | CallError) -> None:
        await asyncio.sleep(0)  # a real hook talks to a server here
        self.outcomes.append((permit, outcome))


def with_client(
    script: Script, use: Callable[[LLMClient, ScriptedEndpoint], Awaitable[T]], **options: Any
) -> T:
    """Run `use` with a client of a scripted endpoint, on a fresh event loop."""

    async def run(endpoint: ScriptedEndpoint) -> T:
        client = LLMClient(endpoint.url, **{"timeout_s": 5.0, **options})
        try:
            return await use(client, endpoint)
        finally:
            await client.close()

    with ScriptedEndpoint(script) as endpoint:
        return asyncio.run(run(endpoint))


def failing(script: Script, **options: Any) -> CallError:
    """The error of one call; on the way, that the hook saw it and that nothing was sent twice."""
    hook = Recorder()

    async def use(client: LLMClient, endpoint: ScriptedEndpoint) -> CallError:
        with pytest.raises(CallError) as caught:
            await client.complete(CALL)
        assert len(endpoint.requests) == 1, "the client tried again by itself"
        return caught.value

    error = with_client(script, use, hook=hook, **options)
    assert hook.outcomes == [(1, error)]
    assert "\n" not in str(error)
    return error
