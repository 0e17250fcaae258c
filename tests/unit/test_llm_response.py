"""What is an answer in a response with status 200, and what only looks like one."""

from __future__ import annotations

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


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": f"<think>ORG: Tessin</think>\n\n{A}"}, A),
        ({"content": f"\n<think>\n</think>\n{A}"}, A),
        ({"content": f"<thinking>ORG: Tessin</thinking>{A}"}, A),
        ({"content": f"[THINK]ORG: Tessin[/THINK]{A}"}, A),
        ({"content": f"ORG: Tessin\n</think>\n\n{A}"}, A),
        ({"content": "<think>ORG: Tessin"}, ""),
        ({"content": f"<THINK>ORG: Tessin</THINK>{A}"}, A),
        ({"content": f"<Think>\nORG: Tessin\n</Think>\n\n{A}"}, A),
        ({"content": f"<thought>ORG: Tessin</thought>\n{A}"}, A),
        ({"content": f"<seed:think>ORG: Tessin</seed:think>{A}"}, A),
        ({"content": f"<think>x</think>\n<think>ORG: Tessin</think>\n{A}"}, A),
        ({"content": f"ORG: Tessin</think>\n\n{A}"}, A),
        ({"content": f"ORG: Tessin\n</THINK>\n{A}"}, A),
        ({"content": f"ORG: Tessin\n</thinking>\n{A}"}, A),
        ({"content": f"ORG: Tessin\n[/THINK]{A}"}, A),
        ({"content": "[THINK]ORG: Tessin"}, ""),
        ({"content": "[think]ORG: Tessin[/think]" + A}, A),
        ({"content": f"◁think▷ORG: Tessin◁/think▷{A}"}, A),
        ({"content": f"<|START_THINKING|>ORG: Tessin<|END_THINKING|>{A}"}, A),
        ({"content": f"{A}\n<think>\nORG: Tessin\n</think>"}, A),
        ({"content": f"<think>ORG: Tessin</think><answer>{A}</answer>"}, A),
        (
            {
                "content": "<|channel|>analysis<|message|>ORG: Tessin<|end|><|start|>assistant"
                f"<|channel|>final<|message|>{A}<|return|>"
            },
            A,
        ),
        ({"content": f"<|channel|>final<|message|>{A}"}, A),
        ({"content": "<|channel|>analysis<|message|>ORG: Tessin"}, ""),
        ({"content": "<|channel|>analysis"}, ""),
        ({"content": f"analysisWe see ORG: Tessin.assistantfinal{A}"}, A),
        ({"content": None, "reasoning_content": "ORG: Tessin"}, ""),
        ({"content": A, "reasoning": "ORG: Tessin"}, A),
        ({"content": A, "reasoning_details": [{"type": "reasoning.encrypted"}]}, A),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "ORG: Tessin"}]},
                    {"type": "text", "text": A},
                ]
            },
            A,
        ),
    ],
)
def test_thoughts_are_not_the_answer(message: dict[str, Any], text: str) -> None:
    got = read(response(message))
    assert (got.text, got.reasoned) == (text, True)


def test_thoughts_that_only_the_usage_tells() -> None:
    usage = {**USAGE, "completion_tokens_details": {"reasoning_tokens": 5}}
    assert read(response({"content": A}, usage=usage)).reasoned


@pytest.mark.parametrize("text", ["ORG: </think> Inc", f"{A}\n<think>x</think>", "a </think>\nb"])
def test_a_document_about_tags(text: str) -> None:
    got = read(response({"content": text}))
    assert (got.text, got.reasoned) == (text, False)


def test_thoughts_that_are_not_counted_are_estimated() -> None:
    thought = {"content": "x", "reasoning_content": "a word and another " * 50}
    assert read(response(thought, usage=None)).completion_tokens > 100


def test_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "PERSON: "}, {"type": "text", "text": "Ada"}, "; ORG: X"]
    assert read(response({"content": parts})).text == "PERSON: Ada; ORG: X"


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
