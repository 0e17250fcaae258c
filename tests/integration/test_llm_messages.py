"""Calls in the form of Anthropic's Messages, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from support.clients import CALL, Recorder
from support.endpoint import CUT, HANG, Reply, ScriptedEndpoint, answer
from support.http_server import HttpServer, Received
from support.replies import JSON, message, refused
from support.speaking import asked, speaking, using

from ruie.errors import (
    AccountError,
    CallError,
    ModelError,
    RateLimitedError,
    TransientCallError,
)
from ruie.llm import LLMClient, Transport, connect
from ruie.llm.keys import Key
from ruie.settings import load

SAID = message("PERSON: Ada")


def received(path: str, page: str, **how: Any) -> Received:
    """What an endpoint below `path` gets of a call to it."""
    with HttpServer({path + page: SAID}) as server:
        url = server.url + path
        how = {"key": Key("sk-1"), "form": "messages", **how}
        using(LLMClient(Transport(url, **how), timeout_s=5), lambda c: c.complete(CALL))
        (request,) = server.received
        return request


def test_an_answer() -> None:
    hook = Recorder()
    with ScriptedEndpoint(SAID) as endpoint:
        got = asked(endpoint, hook=hook)
        (request,) = endpoint.requests
    assert (got.text, got.finish_reason, got.usage.tokens) == ("PERSON: Ada", "stop", (11, 7))
    assert hook.outcomes == [(1, got)]
    assert request.body == {
        "model": "scripted",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Ada?"}],
        "temperature": 0,
    }


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("", "/v1/messages"),
        ("/v1", "/messages"),
        ("/anthropic", "/v1/messages"),
        ("/anthropic/v1", "/messages"),
    ],
)
def test_where_it_is_posted(path: str, page: str) -> None:
    request = received(path, page)
    assert (request.method, request.target) == ("POST", path + page)


def test_a_path_that_says_anthropic_is_enough() -> None:
    assert received("/anthropic", "/v1/messages", form="auto").headers["x-api-key"] == "sk-1"


WHO = ("x-api-key", "authorization", "api-key")


@pytest.mark.parametrize(
    ("how", "headers"),
    [
        ({}, {"x-api-key": "sk-1"}),
        ({"auth": "bearer"}, {"authorization": "Bearer sk-1"}),
        ({"auth": "api-key"}, {"api-key": "sk-1"}),
        ({"auth": "none"}, {}),
        ({"key": Key("")}, {}),
    ],
)
def test_who_calls(how: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    sent = received("/v1", "/messages", **how).headers
    assert {name: sent[name] for name in WHO if name in sent} == headers
    assert sent["anthropic-version"] == "2023-06-01"


def test_headers_of_the_settings_come_first() -> None:
    headers = {"Anthropic-Version": "2099-01-01", "Anthropic-Beta": "x"}
    sent = received("/v1", "/messages", headers=headers).headers
    assert (sent["anthropic-version"], sent["anthropic-beta"]) == ("2099-01-01", "x")


def test_the_setting_says_what_is_spoken() -> None:
    with ScriptedEndpoint(SAID) as endpoint:
        config = load(llm_base_url=endpoint.url, llm_api="messages", llm_api_key="sk-1")
        assert using(connect(config), lambda c: c.complete(CALL)).text == "PERSON: Ada"
        (request,) = endpoint.requests
    assert request.headers["x-api-key"] == "sk-1"
    with ScriptedEndpoint(answer("PERSON: Ada")) as endpoint:
        config = load(llm_base_url=f"{endpoint.url}", llm_api="chat", llm_api_key="sk-1")
        assert using(connect(config), lambda c: c.complete(CALL)).text == "PERSON: Ada"
        (request,) = endpoint.requests
    assert "anthropic-version" not in {name.lower() for name in request.headers}


@pytest.mark.parametrize(
    ("reply", "means", "words"),
    [
        (
            refused(401, "authentication_error", "invalid x-api-key"),
            AccountError,
            "invalid x-api-key",
        ),
        (refused(404, "not_found_error", "model: scripted"), ModelError, "RUIE_LLM_MODEL"),
        (refused(404, "not_found_error", "Not found"), ModelError, "/messages"),
        (Reply(b"<html>", 404, JSON), ModelError, "RUIE_LLM_API"),
        (refused(529, "overloaded_error", "Overloaded"), RateLimitedError, "Overloaded"),
        (refused(200, "overloaded_error", "Overloaded"), RateLimitedError, "Overloaded"),
        (Reply(b"{}"), TransientCallError, "message"),
        (answer("PERSON: Ada"), TransientCallError, "is not a message"),
        (Reply(b""), TransientCallError, "empty"),
        (CUT, TransientCallError, ""),
        (HANG, TransientCallError, "did not answer"),
    ],
)
def test_a_call_that_fails(reply: Reply, means: type[CallError], words: str) -> None:
    hook = Recorder()
    with ScriptedEndpoint(reply) as endpoint, pytest.raises(CallError) as caught:
        using(speaking(endpoint, timeout_s=1, hook=hook), lambda c: c.complete(CALL))
    assert type(caught.value) is means, caught.value
    assert words in str(caught.value)
    assert "sk-1" not in str(caught.value)
    assert hook.outcomes == [(1, caught.value)]


def test_when_the_next_call_is_wanted() -> None:
    limited = refused(429, "rate_limit_error", "would exceed", retry_after="7")
    with ScriptedEndpoint(limited) as endpoint, pytest.raises(RateLimitedError) as caught:
        asked(endpoint)
    assert caught.value.retry_after == 7


def test_a_key_that_is_renewed(tmp_path: Any) -> None:
    file = tmp_path / "key"
    file.write_text("old")

    def by_key(body: dict[str, Any], number: int) -> Reply:
        if number:
            return SAID
        file.write_text("new")
        return refused(401, "authentication_error", "invalid x-api-key")

    with ScriptedEndpoint(by_key) as endpoint:
        config = load(llm_base_url=endpoint.url, llm_api="messages", llm_api_key_file=str(file))
        assert using(connect(config), lambda c: c.complete(CALL)).text == "PERSON: Ada"
        keys = [request.headers["x-api-key"] for request in endpoint.requests]
    assert keys == ["old", "new"]


def pages(body: Mapping[str, str]) -> Reply:
    """Two models at a time."""
    names = ["claude-a", "claude-b", "claude-c", "claude-d", "claude-e"]
    first = names.index(body["after_id"]) + 1 if "after_id" in body else 0
    page = names[first : first + 2]
    listed = {
        "data": [{"type": "model", "id": name} for name in page],
        "has_more": first + 2 < len(names),
        "first_id": page[0],
        "last_id": page[-1],
    }
    return Reply(json.dumps(listed).encode())


@pytest.mark.parametrize("form", ["messages", "chat"])
def test_the_models_of_all_pages(form: str) -> None:
    with ScriptedEndpoint(SAID) as endpoint:
        endpoint.models_pages = pages
        client = LLMClient(Transport(endpoint.url, form=form), timeout_s=5)
        assert using(client, lambda c: c.check("claude-e")) == [
            f"claude-{letter}" for letter in "abcde"
        ]


def test_models_are_listed_where_calls_are_posted() -> None:
    listed = Reply(b'{"data": [{"id": "claude-a"}], "has_more": false}')
    with HttpServer({"/anthropic/v1/models": listed}) as server:
        client = LLMClient(Transport(f"{server.url}/anthropic", Key("sk-1")), timeout_s=5)
        assert using(client, lambda c: c.models()) == ["claude-a"]
        (request,) = server.received
    assert request.headers["x-api-key"] == "sk-1"
    assert request.headers["anthropic-version"] == "2023-06-01"


def test_an_endpoint_without_a_list_is_not_sent_elsewhere() -> None:
    """Where a gateway for chat lists models, calls of the other form are not answered."""
    listed = Reply(b'{"data": [{"id": "chat-model"}]}')
    with HttpServer({"/v1/models": listed}) as server:
        client = LLMClient(Transport(f"{server.url}/anthropic", Key("sk-1")), timeout_s=5)
        assert using(client, lambda c: c.check("claude-a")) == []
