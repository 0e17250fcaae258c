"""What is an answer in a response with status 200, and what only looks like one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.clients import CALL

from ruie.errors import (
    AccountError,
    CallError,
    ContentFilteredError,
    ContextTooLongError,
    RateLimitedError,
    TransientCallError,
)
from ruie.llm import Completion
from ruie.llm.response import read_completion, read_document

A = "PERSON: Mara Quill; ORG: Orvane"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7}


def response(message: Any, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": finish}], "usage": USAGE, **more}


def read(answer: Any) -> Completion:
    return read_completion(answer, {}, 0.1, CALL, "http://e/v1")


def failed(answer: Any) -> CallError:
    with pytest.raises(CallError) as caught:
        read(answer)
    return caught.value


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        ("FinishReason.STOP", "stop"),
        ("end_turn", "stop"),
        ("eos", "stop"),
        (None, "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
    ],
)
def test_a_finish_reason_that_is_an_answer(reason: object, meaning: str) -> None:
    got = read(response({"content": A}, reason))
    assert (got.text, got.finish_reason, got.reasoned) == (A, meaning, False)


@pytest.mark.parametrize(
    ("named", "model"),
    [
        ("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini-2025-04-14"),
        ("/models/a.gguf", "/models/a.gguf"),
        ("Ada met Bo .", ""),
        ("x" * 201, ""),
        (7, ""),
        (None, ""),
    ],
)
def test_the_model_that_answered_is_a_word_or_none(named: object, model: str) -> None:
    assert read(response({"content": A}, model=named)).model == model


@pytest.mark.parametrize(
    ("choice", "meaning"),
    [
        ({"stop_reason": "length"}, "length"),
        ({"finish_reason": None, "stop_reason": "max_tokens"}, "length"),
        ({"finish_reason": "stop", "stop_reason": "length"}, "stop"),  # vLLM: a stop sequence
        ({"finish_reason": None, "stop_reason": "\n\n"}, "stop"),
        ({"finish_reason": None, "stop_reason": 151645}, "stop"),
        ({"finish_reason": "stop", "native_finish_reason": "MAX_TOKENS"}, "length"),
        ({"finish_reason": "stop", "native_finish_reason": "completed"}, "stop"),
        ({"finish_reason": "length", "native_finish_reason": "STOP"}, "length"),
    ],
)
def test_a_finish_reason_in_another_field(choice: dict[str, Any], meaning: str) -> None:
    got = read({"choices": [{"message": {"content": A}, **choice}], "usage": USAGE})
    assert (got.text, got.finish_reason) == (A, meaning)


def test_an_answer_that_the_provider_behind_a_gateway_filtered() -> None:
    choice = {"message": {"content": A}, "finish_reason": "stop", "native_finish_reason": "SAFETY"}
    assert type(failed({"choices": [choice], "usage": USAGE})) is ContentFilteredError


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("content_filter", ContentFilteredError),
        ("SAFETY", ContentFilteredError),
        ("RECITATION", ContentFilteredError),
        ("PROHIBITED_CONTENT", ContentFilteredError),
        ("content_filter: SPII", ContentFilteredError),
        ("sensitive", ContentFilteredError),
        ("refusal", ContentFilteredError),
        ("error", TransientCallError),
        ("network_error", TransientCallError),
        ("insufficient_system_resource", TransientCallError),
        ("MALFORMED_FUNCTION_CALL", TransientCallError),
        ("abort", TransientCallError),
        ("tool_calls", TransientCallError),
        ("what is this", TransientCallError),
        ("", TransientCallError),
        (7, TransientCallError),
        ({"type": "stop"}, TransientCallError),
    ],
)
def test_a_finish_reason_that_is_none(reason: object, kind: type[CallError]) -> None:
    error = failed(response({"content": "PERSON: Mara Quill; ORG: Orv"}, reason))
    assert type(error) is kind
    assert error.raw_output == "PERSON: Mara Quill; ORG: Orv"
    assert error.usage is not None
    assert error.usage.tokens == (11, 7)


def test_what_may_have_been_charged_and_was_not_counted() -> None:
    for usage in (None, {}, {"prompt_tokens": "many", "completion_tokens": 7}):
        error = failed(response({"content": "x"}, "error", usage=usage))
        assert (error.usage, error.maybe_charged) == (None, True)


def test_no_reason_and_no_text_is_no_answer() -> None:
    assert type(failed(response({"content": None}, None))) is TransientCallError


def test_thoughts_that_are_not_counted_are_estimated() -> None:
    thought = {"content": "x", "reasoning_content": "a word and another " * 50}
    assert read(response(thought, usage=None)).completion_tokens > 100


def test_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "PERSON: "}, {"type": "text", "text": "Ada"}, "; ORG: X"]
    assert read(response({"content": parts})).text == "PERSON: Ada; ORG: X"


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["PERSON: Ada", "ORG: Orvane"], "PERSON: Ada\nORG: Orvane"),
        (["- PERSON: Ada", "- **ORG**: Orvane"], "- PERSON: Ada\n- **ORG**: Orvane"),
        (["PERSON: Ada; ", "ORG: Orvane"], "PERSON: Ada; ORG: Orvane"),
        (["PERSON: Ada\n", "ORG: Orvane"], "PERSON: Ada\nORG: Orvane"),
        (["PERSON: Ada By", "ron; ORG: Orvane"], "PERSON: Ada Byron; ORG: Orvane"),
        (["PER", "SON: Ada"], "PERSON: Ada"),
        (["PERSON", ": Ada"], "PERSON: Ada"),
        (["PERSON: Ada; OR", "G: Orvane"], "PERSON: Ada; ORG: Orvane"),
        (["ORG: Star", "gate: the company"], "ORG: Stargate: the company"),
        (['{"ORG": "Or', 'vane"}'], '{"ORG": "Orvane"}'),
    ],
)
def test_no_item_is_divided_by_parts_and_no_two_run_together(parts: list[str], text: str) -> None:
    prompt = "Entity types: PERSON, ORG.\n\nSentence: Ada"
    call = replace(CALL, messages=({"role": "user", "content": prompt},))
    content = [{"type": "text", "text": part} for part in parts]
    assert read_completion(response({"content": content}), {}, 0.1, call).text == text


def test_of_several_choices_the_one_with_the_index_0_is_read() -> None:
    numbered = [
        {"index": at, "message": {"content": text}, "finish_reason": "stop"}
        for at, text in ((1, "PERSON: Ada"), (0, A))
    ]
    assert read({"choices": numbered, "usage": USAGE}).text == A
    assert read({"choices": [numbered[0]], "usage": USAGE}).text == "PERSON: Ada"


@pytest.mark.parametrize("reason", [None, "stop", "length", "end_turn"])
def test_an_answer_of_as_many_tokens_as_it_may_have_is_cut_off(reason: str | None) -> None:
    def ends(tokens: int) -> str:
        usage = {**USAGE, "completion_tokens": tokens}
        return read(response({"content": A}, reason, usage=usage)).finish_reason

    assert ends(CALL.max_tokens) == "length"
    assert ends(CALL.max_tokens - 1) == ("length" if reason == "length" else "stop")


def test_a_refusal_is_told() -> None:
    error = failed(response({"content": None, "refusal": "I'm sorry, I can't."}))
    assert type(error) is ContentFilteredError
    assert "I'm sorry" in error.message


@pytest.mark.parametrize(
    ("answer", "kind", "maybe_charged"),
    [
        ({"error": {"code": 402, "message": "Insufficient credits"}}, AccountError, False),
        ({"error": {"code": 429, "message": "slow down"}}, RateLimitedError, False),
        ({"error": {"code": 502, "message": "upstream"}}, TransientCallError, True),
        ({"error": "Context size has been exceeded."}, ContextTooLongError, False),
        ({"error": {"message": "?", "type": "content_filter"}}, ContentFilteredError, True),
        ([{"error": {"code": 401, "message": "no"}}], AccountError, False),
        ({"detail": "Content Exists Risk"}, ContentFilteredError, True),
        (
            {"choices": [{"message": {"content": "x"}, "error": {"code": 502, "message": "up"}}]},
            TransientCallError,
            True,
        ),
    ],
)
def test_an_error_with_status_200(answer: Any, kind: type[CallError], maybe_charged: bool) -> None:
    error = failed(answer)
    assert type(error) is kind, error
    assert (error.usage, error.maybe_charged) == (None, maybe_charged)


@pytest.mark.parametrize("no_error", [None, {}, "", [], False])
def test_a_field_for_errors_without_one(no_error: object) -> None:
    assert read(response({"content": A}, error=no_error)).text == A


def test_a_web_page_is_named() -> None:
    with pytest.raises(TransientCallError, match="a web page") as caught:
        read_document(b"\n<!DOCTYPE html><html></html>", "http://e")
    assert "/v1" in caught.value.hint
    assert caught.value.maybe_charged
