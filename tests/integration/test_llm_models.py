"""Asking an endpoint for its models."""

from __future__ import annotations

import asyncio

import pytest
from support.endpoint import CUT, HANG, Reply, ScriptedEndpoint, answer, failure
from support.http_server import ForwardProxy, HttpServer

from ruie.errors import AccountError, FatalCallError, ModelError, UnavailableError
from ruie.llm import LLMClient


async def checked(client: LLMClient, model: str) -> list[str]:
    try:
        return await client.check(model)
    finally:
        await client.close()


def check(
    model: str, models: tuple[str, ...] = ("a", "b"), reply: Reply | None = None
) -> list[str]:
    with ScriptedEndpoint(answer("x"), models=models) as endpoint:
        endpoint.models_reply = reply
        return asyncio.run(checked(LLMClient(endpoint.url, timeout_s=1), model))


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


@pytest.mark.parametrize("status", [403, 404, 405, 501])
def test_an_endpoint_without_a_list_needs_the_name_of_a_model(status: int) -> None:
    assert check("m", reply=failure(status)) == []
    with pytest.raises(UnavailableError, match="lists no model") as caught:
        check("", reply=failure(status))
    assert caught.value.hint == "Set RUIE_LLM_MODEL."


@pytest.mark.parametrize(
    ("model", "listed"),
    [
        ("llama3", "llama3:latest"),
        ("gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("vendor/model:nitro", "vendor/model"),
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
        ("claude-sonnet-4-5-latest", "claude-sonnet-4-5-20250929"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("openai/gpt-4o", "openai/*"),
    ],
)
def test_another_name_of_a_listed_model(model: str, listed: str) -> None:
    assert check(model, models=("x", listed)) == ["x", listed]


@pytest.mark.parametrize(
    ("model", "listed", "hint"),
    [
        ("gpt-9", "gpt-4.1", "Did you mean gpt-4.1? Set RUIE_LLM_MODEL, or the job's --model, to "),
        ("llama3:8b", "llama3:latest", "Did you mean llama3:latest? "),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-05-13", "Did you mean gpt-4o-2024-05-13? "),
        ("mistral", "gpt-4.1", "Set RUIE_LLM_MODEL, or the job's --model, to one of: gpt-4.1."),
        ("m", "", "to one of: m0, m1, m2, m3, m4, m5, m6, m7, ...."),
    ],
)
def test_a_near_miss_is_suggested(model: str, listed: str, hint: str) -> None:
    models = (listed,) if listed else tuple(f"m{n}" for n in range(9))
    with pytest.raises(ModelError, match=f"has no model '{model}'") as caught:
        check(model, models=models)
    assert caught.value.hint.startswith(hint) or hint in caught.value.hint


@pytest.mark.parametrize(
    "listed",
    [
        b'{"data": [{"id": "m"}, {"name": "x"}, 5]}',
        b'[{"id": "m", "type": "chat"}]',
        b'{"models": [{"id": "m"}]}',
    ],
)
def test_the_forms_of_a_list(listed: bytes) -> None:
    assert check("m", reply=Reply(listed)) == ["m"]


def test_a_refused_key_is_the_account_s() -> None:
    with pytest.raises(AccountError, match="refuses the key"):
        check("m", reply=failure(401))


LIST = Reply(b'{"data": [{"id": "m"}]}')


@pytest.mark.parametrize("path", ["", "/", "/api", "/v1/chat"])
def test_a_base_url_without_v1_is_corrected(path: str) -> None:
    with HttpServer({"/v1/models": LIST}) as server, pytest.raises(ModelError) as caught:
        asyncio.run(checked(LLMClient(server.url + path, timeout_s=5), "m"))
    assert caught.value.hint == f"Set RUIE_LLM_BASE_URL to {server.url}/v1."


def test_a_base_url_below_which_v1_is_elsewhere_is_corrected() -> None:
    with HttpServer({"/llm/v1/models": LIST}) as server, pytest.raises(ModelError) as caught:
        asyncio.run(checked(LLMClient(f"{server.url}/llm", timeout_s=5), "m"))
    assert caught.value.hint == f"Set RUIE_LLM_BASE_URL to {server.url}/llm/v1."


def test_an_endpoint_that_has_moved_is_named() -> None:
    moved = {"Location": "/new/v1/models?a=b"}
    with HttpServer({"/new/v1/models": LIST}) as server:
        server.answers["/v1/models"] = Reply(status=301, headers=moved)
        with pytest.raises(ModelError, match="has moved") as caught:
            asyncio.run(checked(LLMClient(f"{server.url}/v1", timeout_s=5), "m"))
        assert caught.value.hint == f"Set RUIE_LLM_BASE_URL to {server.url}/new/v1."
        server.answers["/v1/models"] = Reply(status=308, headers=moved)
        assert asyncio.run(checked(LLMClient(f"{server.url}/v1", timeout_s=5), "m")) == ["m"]


def test_what_azure_could_deploy_is_no_list_of_deployments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = "x.openai.azure.com"
    listed = {"/openai/v1/models": LIST}
    with HttpServer(listed) as server, ForwardProxy({host: server}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        client = LLMClient(f"http://{host}/openai/v1", "k", timeout_s=5)
        assert asyncio.run(checked(client, "my-deployment")) == []
