"""To what an endpoint holds its answers is found out by one process, once, and not believed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text
from support.constrained import (
    fails_on_a_grammar,
    ignores,
    llama_cpp,
    openai,
    reasoning,
    sglang,
    vllm,
)
from support.endpoint import Reply, ScriptedEndpoint, failure
from support.gates import fleet

from ruie.db import targets
from ruie.errors import CallError, UnreachableError
from ruie.llm import LLMClient

Script = Callable[[dict[str, Any], int], Reply]


async def found(clients: list[LLMClient]) -> set[str]:
    """What eight calls in each process find, all at once."""
    return set(await asyncio.gather(*(c.constraint("m", {}, 0) for c in clients for _ in range(8))))


@pytest.mark.parametrize(
    ("script", "constraint", "requests"),
    [
        (vllm, "structured_outputs.grammar", 1),
        (llama_cpp, "grammar", 2),
        (sglang, "ebnf", 3),
        (openai, "json_schema", 4),
        (reasoning, "json_schema", 5),
        (ignores, "", 4),
        (fails_on_a_grammar, "json_schema", 7),
    ],
)
def test_it_is_proved_once_in_the_whole_fleet(
    engine: Engine, script: Script, constraint: str, requests: int
) -> None:
    with ScriptedEndpoint(script) as endpoint:
        assert fleet(endpoint.url, engine, found) == {constraint}
        assert len(endpoint.requests) == requests
        assert fleet(endpoint.url, engine, found) == {constraint}
        assert len(endpoint.requests) == requests, "it is remembered"
    with engine.connect() as conn:
        (known,) = targets.list_models(conn, endpoint.url)
    assert (f"held to {constraint}" in known.description) == bool(constraint)


def test_an_endpoint_that_cannot_be_reached_has_proved_nothing(engine: Engine) -> None:
    async def use(clients: list[LLMClient]) -> None:
        with pytest.raises(CallError) as caught:
            await clients[0].constraint("m", {}, 0)
        assert isinstance(caught.value, UnreachableError)

    fleet("http://127.0.0.1:9/v1", engine, use)
    with engine.connect() as conn:
        assert conn.execute(text("SELECT COUNT(proven_at) FROM request_profiles")).scalar() == 0


def test_a_server_that_fails_has_proved_nothing(engine: Engine) -> None:
    async def use(clients: list[LLMClient]) -> None:
        with pytest.raises(CallError):
            await clients[0].constraint("m", {}, 0)

    with ScriptedEndpoint(failure(500)) as endpoint:
        fleet(endpoint.url, engine, use)
    with engine.connect() as conn:
        assert conn.execute(text("SELECT COUNT(proven_at) FROM request_profiles")).scalar() == 0
