"""Anthropic's Messages: what a call is sent as, and what an answer means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.replies import message

from ruie.errors import CallError, ContentFilteredError, TransientCallError
from ruie.llm.api import Api, api_of, models_page, page_of
from ruie.llm.call import Call, Completion
from ruie.llm.profile import DEFAULT, shape
from ruie.llm.request import request_body
from ruie.llm.response import read_completion, read_document

A = "PERSON: Mara Quill; ORG: Orvane"
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
CALL = Call("claude", ({"role": "user", "content": "Ada?"},), 9, 3, api=Api.MESSAGES)
AS_JSON = replace(
    CALL,
    response_format={
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
    },
)


def turns(*said: tuple[str, str]) -> Call:
    return replace(CALL, messages=tuple({"role": r, "content": c} for r, c in said))


def body(call: Call, **profile: Any) -> dict[str, Any]:
    return request_body(replace(DEFAULT, **profile), call)


def read(content: object, call: Call = CALL, **more: Any) -> Completion:
    document = read_document(message(content, **more).body, "http://e")
    return read_completion(document, {}, 0.1, call, "http://e")


def failed(content: object, **more: Any) -> CallError:
    with pytest.raises(CallError) as caught:
        read(content, **more)
    return caught.value


@pytest.mark.parametrize(
    ("url", "form", "page"),
    [
        ("https://api.anthropic.com", Api.MESSAGES, "/v1/messages"),
        ("https://api.anthropic.com/", Api.MESSAGES, "/v1/messages"),
        ("https://api.anthropic.com/v1", Api.MESSAGES, "/messages"),
        ("https://api.anthropic.com/v1/", Api.MESSAGES, "/messages"),
        ("https://r.services.ai.azure.com/anthropic", Api.MESSAGES, "/v1/messages"),
        ("https://api.deepseek.com/anthropic?a=b", Api.MESSAGES, "/v1/messages"),
        ("http://localhost:4000/anthropic/v1", Api.MESSAGES, "/messages"),
        ("https://api.openai.com/v1", Api.CHAT, "/chat/completions"),
        ("https://api.anthropic.com.example.org", Api.CHAT, "/chat/completions"),
        ("https://example.org/anthropic-like/v1", Api.CHAT, "/chat/completions"),
        ("https://anthropic.example.org/v1", Api.CHAT, "/chat/completions"),
    ],
)
def test_the_url_says_what_is_spoken(url: str, form: Api, page: str) -> None:
    assert api_of(url) is form
    assert page_of(form, url) == page
    assert api_of(url, "chat") is Api.CHAT
    assert page_of(api_of(url, "messages"), url).endswith("/messages")


def test_models_are_listed_below_the_same_version() -> None:
    assert models_page(Api.MESSAGES, "https://api.anthropic.com") == "/v1/models"
    assert models_page(Api.MESSAGES, "https://api.anthropic.com/v1") == "/models"
    assert models_page(Api.CHAT, "http://localhost:8000") == "/models"


def test_a_request() -> None:
    assert body(CALL) == {
        "model": "claude",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Ada?"}],
        "temperature": 0,
    }


def test_what_the_system_says_is_a_field_and_turns_alternate() -> None:
    asked = turns(
        ("system", "Find persons."), ("user", "Ada."), ("assistant", "person: Ada"),
        ("user", "Grace."), ("user", "Joan."), ("developer", "Be brief."),
    )  # fmt: skip  # a list
    sent = body(asked)
    assert sent["system"] == "Find persons.\n\nBe brief."
    assert sent["messages"] == [
        {"role": "user", "content": "Ada."},
        {"role": "assistant", "content": "person: Ada"},
        {"role": "user", "content": "Grace.\n\nJoan."},
    ]
    assert asked.messages[3]["content"] == "Grace.", "the call is as it was"


def test_stop_sequences_that_say_something() -> None:
    stopped = replace(CALL, stop=("\n\n", "END", " \t"))
    assert body(stopped)["stop_sequences"] == ["END"]
    assert "stop_sequences" not in body(replace(CALL, stop=("\n\n",)))
    assert "stop_sequences" not in body(stopped, reasons=True), "a thought may have one"
    assert "stop_sequences" not in body(stopped, omitted=frozenset({"stop"}))


def test_what_the_model_does_not_take_is_left_out() -> None:
    assert "temperature" not in body(CALL, omitted=frozenset({"temperature"}))
    thinks = body(replace(CALL, reasoning_tokens=500), reasons=True)
    assert thinks["max_tokens"] == 509
    # the limit has one name, whatever a gateway for chat has taught
    assert body(CALL, output_limit="")["max_tokens"] == 9
    assert body(CALL, output_limit="max_completion_tokens", most_output=5)["max_tokens"] == 5


def test_a_schema_is_a_part_of_the_output_configuration() -> None:
    form = {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert body(AS_JSON)["output_config"] == form
    both = replace(AS_JSON, parameters={"output_config": {"effort": "low"}, "top_k": 1})
    assert body(both)["output_config"] == {**form, "effort": "low"}
    assert body(both)["top_k"] == 1
    assert "output_config" not in body(AS_JSON, response_format="json_object")
    assert "output_config" not in body(AS_JSON, response_format="")


def test_no_grammar_is_sent() -> None:
    held = replace(CALL, grammar="root ::= 'x'", constraint="grammar")
    assert body(held) == body(CALL)


def test_chat_is_as_it_was() -> None:
    chat = replace(CALL, api=Api.CHAT, stop=("\n\n",))
    assert request_body(DEFAULT, chat) == DEFAULT.request(chat)
    assert shape(chat) != shape(replace(chat, api=Api.MESSAGES)), "they are refused apart"


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        (None, "stop"),
    ],
)
def test_why_it_ended(reason: object, meaning: str) -> None:
    got = read(A, stop_reason=reason)
    assert (got.text, got.finish_reason, got.reasoned) == (A, meaning, False)
    assert got.usage.tokens == (11, 7)


@pytest.mark.parametrize("reason", ["pause_turn", "tool_use", "something_new"])
def test_half_an_answer_is_none(reason: str) -> None:
    error = failed(A, stop_reason=reason)
    assert type(error) is TransientCallError
    assert reason in error.message
    assert (error.raw_output, error.usage and error.usage.tokens) == (A, (11, 7))


def test_a_refusal_is_no_answer_and_costs_what_it_says() -> None:
    why = {"type": "refusal", "category": "bio", "explanation": "It is about a virus."}
    error = failed([], stop_reason="refusal", stop_details=why, usage=(11, 1))
    assert type(error) is ContentFilteredError
    assert "It is about a virus." in error.message
    assert error.usage
    assert error.usage.tokens == (11, 1)
    assert "bio" in failed("x", stop_reason="refusal", stop_details={"category": "bio"}).message
    assert type(failed([], stop_reason="refusal", stop_details="?")) is ContentFilteredError


def test_thoughts_are_not_the_text() -> None:
    got = read(
        [
            {"type": "thinking", "thinking": "Mara is a person.", "signature": "x"},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "text", "text": A},
        ],
        usage={
            "input_tokens": 11,
            "output_tokens": 60,
            "output_tokens_details": {"thinking_tokens": 50},
        },
    )
    assert (got.text, got.reasoned, got.usage.reasoning) == (A, True, 50)


def test_hidden_thoughts_show_too() -> None:
    only = [{"type": "thinking", "thinking": "", "signature": "x"}]
    got = read(only, stop_reason="max_tokens")
    assert (got.text, got.reasoned, got.finish_reason) == ("", True, "length")
    assert DEFAULT.after_answer(got, first=True).reasons


def test_an_answer_in_parts() -> None:
    parts = [{"type": "text", "text": "PERSON: Mara"}, {"type": "text", "text": " Quill"}]
    assert read(parts).text == "PERSON: Mara Quill"


def test_what_a_cache_holds_is_a_part_of_the_prompt() -> None:
    usage = {
        "input_tokens": 50,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 248,
        "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
        "output_tokens": 7,
    }
    got = read(A, usage=usage).usage
    assert (got.prompt, got.cached, got.cache_written, got.cache_written_1h) == (
        1298, 1000, 248, 100,
    )  # fmt: skip  # a row


@pytest.mark.parametrize(
    "document",
    [{}, [], None, 5, {"type": "message"}, {"content": None}, {"content": 5}, {"choices": []}],
)
def test_what_is_no_message(document: Any) -> None:
    with pytest.raises(TransientCallError) as caught:
        read_completion(document, {}, 0.1, CALL, "http://e")
    assert "message" in caught.value.message or "failed" in caught.value.message
