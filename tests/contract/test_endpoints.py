"""Every endpoint that tests/contract/endpoints describes: what it refuses, how its answers, usage
and errors are read."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from support.provider import FOLDER, KEY, Answer, Provider, providers
from support.provider_endpoint import ProviderEndpoint

from ruie.errors import CallError
from ruie.llm import Call, Completion, LLMClient
from ruie.llm.api import Api
from ruie.llm.keys import Key
from ruie.llm.transport import Transport
from ruie.llm.usage import read_usage

PROVIDERS = providers()
TEXT = "person: Ada"
T = TypeVar("T")

each_provider = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda p: p.key)


def parts(told: Any) -> Iterator[dict[str, Any]]:
    """Every table of a description that holds a response."""
    if isinstance(told, dict):
        if "body" in told:
            yield told
        for value in told.values():
            yield from parts(value)
    elif isinstance(told, list):
        for value in told:
            yield from parts(value)


@each_provider
def test_every_fact_has_its_source(provider: Provider) -> None:
    told = tomllib.loads((FOLDER / f"{provider.key}.toml").read_text(encoding="utf-8"))
    for part in [told["request"], *parts(told)]:
        if part is not told["models"] or part.get("status", 200) == 200:
            assert part["source"], part
    assert ("bad_key" in provider.failures) == bool(provider.header)
    assert "unknown_model" in provider.failures or provider.request.get("any_model")


def post(endpoint: ProviderEndpoint, provider: Provider, body: object, **changes: str) -> int:
    """The status of a request as the description wants it; `changes` are headers."""
    headers = {"Content-Type": "application/json"} | provider.headers_wanted
    if provider.header:
        headers[provider.header] = provider.credentials
    url = f"{endpoint.root}{provider.page}?{urlencode(provider.query)}"
    request = Request(url, json.dumps(body).encode(), headers | changes)
    try:
        with urlopen(request, timeout=10) as response:
            return int(response.status)
    except HTTPError as error:
        with error:
            return error.code


@each_provider
def test_the_endpoint_is_as_strict_as_the_provider(provider: Provider) -> None:
    good: dict[str, Any] = {
        "model": provider.model,
        "messages": [{"role": "user", "content": "Ada?"}],
        **({"max_tokens": 9} if provider.form is Api.MESSAGES else {}),
    }
    expected: Counter[str] = Counter()
    with ProviderEndpoint(provider) as endpoint:
        assert post(endpoint, provider, good) == 200
        if provider.header:
            status = post(endpoint, provider, good, **{provider.header: "Bearer nope"})
            assert status == provider.failures["bad_key"].reply.status
            expected["bad_key"] += 1
        if not provider.request.get("any_model"):
            status = post(endpoint, provider, {**good, "model": "nope"})
            assert status == provider.failures["unknown_model"].reply.status
            expected["unknown_model"] += 1
        if provider.form is Api.MESSAGES:
            assert post(endpoint, provider, {k: good[k] for k in ("model", "messages")}) == 400
            expected["max_tokens"] += 1
        for name in provider.headers_wanted:
            assert post(endpoint, provider, good, **{name: ""}) == 400
            expected[name] += 1
        if "others" in provider.request:
            status = post(endpoint, provider, {**good, "no_such_parameter": 1})
            assert status == provider.request["others"]["status"]
            expected["no_such_parameter"] += 1
        assert endpoint.refused == expected
        assert endpoint.answered == 1


def with_client(endpoint: ProviderEndpoint, use: Callable[[LLMClient], Awaitable[T]]) -> T:
    provider = endpoint.provider
    transport = Transport(endpoint.base_url, Key(KEY), auth=provider.auth, form=provider.api)

    async def run() -> T:
        client = LLMClient(transport, timeout_s=10)
        try:
            return await use(client)
        finally:
            await client.close()

    return asyncio.run(run())


def ask(endpoint: ProviderEndpoint, **asked: Any) -> Completion:
    call = Call(endpoint.provider.model, ({"role": "user", "content": "Ada?"},), 9, 3, **asked)
    return with_client(endpoint, lambda client: client.complete(call))


@each_provider
def test_its_model_is_found(provider: Provider) -> None:
    with ProviderEndpoint(provider) as endpoint:
        with_client(endpoint, lambda client: client.check(provider.model))


@each_provider
def test_an_answer(provider: Provider) -> None:
    with ProviderEndpoint(provider, lambda _: TEXT) as endpoint:
        got = ask(endpoint)
    assert (got.text, got.finish_reason) == (TEXT, "stop")
    assert got.prompt_tokens == provider.answer.usage.prompt
    assert got.completion_tokens == provider.answer.usage.completion


@each_provider
def test_it_is_asked_how_probable_tokens_were_and_once_where_it_refuses(provider: Provider) -> None:
    with ProviderEndpoint(provider, lambda _: TEXT) as endpoint:
        assert ask(endpoint, log_probs=True).text == TEXT
    refuses = provider.key in ("openai_reasoning", "groq", "litellm", "mistral", "transformers")
    assert endpoint.refused["logprobs"] == refuses


USAGES = [
    pytest.param(answer, id=f"{provider.key}-{name}")
    for provider in PROVIDERS
    for name, answer in {"answer": provider.answer, **provider.other_answers}.items()
]


@pytest.mark.parametrize("answer", USAGES)
def test_usage(answer: Answer) -> None:
    assert read_usage(answer.body) == answer.usage


FAILURES = [
    pytest.param(provider, name, id=f"{provider.key}-{name}")
    for provider in PROVIDERS
    for name in provider.failures
]


@pytest.mark.parametrize(("provider", "name"), FAILURES)
def test_an_error(provider: Provider, name: str) -> None:
    expected = provider.failures[name]
    with ProviderEndpoint(provider, lambda _: TEXT) as endpoint:
        endpoint.fail(name, times=9)
        with pytest.raises(CallError) as caught:
            ask(endpoint)
    assert isinstance(caught.value, expected.means), caught.value
    assert caught.value.retry_after == expected.retry_after
