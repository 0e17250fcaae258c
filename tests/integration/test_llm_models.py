"""Asking an endpoint for its models."""

from __future__ import annotations

import asyncio

import pytest
from support.endpoint import CUT, HANG, Reply, ScriptedEndpoint, answer, failure

from ruie.errors import FatalCallError, UnavailableError
from ruie.llm import LLMClient


def check(
    model: str, models: tuple[str, ...] = ("a", "b"), reply: Reply | None = None
) -> list[str]:
    async def run(url: str) -> list[str]:
        client = LLMClient(url, timeout_s=1)
        try:
            return await client.check(model)
        finally:
            await client.close()

    with ScriptedEndpoint(answer("x"), models=models) as endpoint:
        endpoint.models_reply = reply
        return asyncio.run(run(endpoint.url))


def test_the_models_of_an_endpoint() -> None:
    assert check("") == check("b") == ["a", "b"]
    assert check("a", models=()) == [], "it may keep its models to itself"


def test_the_model_that_is_named_or_the_first_of_the_list() -> None:
    async def resolve(model: str, models: tuple[str, ...] = ("a", "b")) -> str:
        with ScriptedEndpoint(answer("x"), models=models) as endpoint:
            client = LLMClient(endpoint.url, timeout_s=1)
            try:
                return await client.resolve_model(model)
            finally:
                await client.close()

    assert asyncio.run(resolve("")) == "a"
    assert asyncio.run(resolve("b")) == "b"
    assert asyncio.run(resolve("c", ())) == "c", "it may keep its models to itself"
    with pytest.raises(FatalCallError, match="has no model 'c'"):
        asyncio.run(resolve("c"))


def test_a_model_that_is_not_among_them() -> None:
    with pytest.raises(FatalCallError, match="has no model 'c'") as caught:
        check("c")
    assert "a, b" in caught.value.hint


def test_no_model_to_choose() -> None:
    with pytest.raises(UnavailableError, match="lists no model") as caught:
        check("", models=())
    assert "RUIE_LLM_MODEL" in caught.value.hint


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (failure(401), FatalCallError),
        (failure(500), UnavailableError),
        (failure(404), UnavailableError),
        (HANG, UnavailableError),
        (CUT, UnavailableError),
        (Reply(b""), UnavailableError),
        (Reply(b"hello"), UnavailableError),
        (Reply(b'{"data": 5}'), UnavailableError),
        (Reply(b'{"data": [5]}'), UnavailableError),
        (Reply(b'{"data": [{"id": 5}]}'), UnavailableError),
        (Reply(b"{}"), UnavailableError),
    ],
)
def test_a_list_of_models_that_cannot_be_read(reply: Reply, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        check("", reply=reply)
    assert "RUIE_LLM" in str(caught.value)
    assert "()" not in str(caught.value)
