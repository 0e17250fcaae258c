"""Whatever an endpoint sends, it is an answer or a `CallError`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.clients import CALL

from ruie.errors import CallError
from ruie.llm import Completion
from ruie.llm.api import Api
from ruie.llm.failures import answered_error
from ruie.llm.response import read_completion, read_document

KEYS = st.sampled_from(
    [
        "error",
        "errors",
        "message",
        "detail",
        "details",
        "code",
        "type",
        "status",
        "param",
        "loc",
        "metadata",
        "raw",
        "choices",
        "usage",
        "finish_reason",
        "stop_reason",
        "stop_details",
        "content",
        "text",
        "reasoning_content",
        "refusal",
        "flagged_input",
        "retryDelay",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
WORDS = st.sampled_from(
    ["stop", "length", "SAFETY", "402", "{", '{"error": 5}', "<html>", "<think>", "</think>"]
) | st.sampled_from(["refusal", "end_turn", "thinking", "overloaded_error"])
JSON_VALUES = st.recursive(
    SCALARS | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "date", "x"]),
    st.text(max_size=12),
    max_size=3,
)
STATUSES = st.none() | st.integers(min_value=300, max_value=999)


def completion(content: bytes, headers: dict[str, str]) -> None:
    for api in Api:
        try:
            answer = read_document(content, "http://e")
            got = read_completion(answer, headers, 0.1, replace(CALL, api=api), "http://e")
        except CallError as error:
            check(error)
        else:
            assert isinstance(got, Completion)
            assert isinstance(got.text, str)
            assert got.finish_reason in ("stop", "length")
            assert min(got.usage.tokens) >= 0
            assert got.usage.cache_written_1h <= got.usage.cache_written


def check(error: CallError) -> None:
    assert error.message
    assert "\n" not in error.message
    assert len(error.message) < 1000
    assert error.retry_after is None or error.retry_after >= 0


@settings(max_examples=150, deadline=None)
@given(STATUSES, HEADERS, st.binary(max_size=200))
def test_any_bytes(status: int | None, headers: dict[str, str], content: bytes) -> None:
    check(answered_error(status, headers, content, "http://e", "m", ("secret",)))
    completion(content, headers)


@settings(max_examples=300, deadline=None)
@example(None, {}, {"param": "0\n0"})
@given(STATUSES, HEADERS, JSON_VALUES)
def test_any_document(status: int | None, headers: dict[str, str], answer: Any) -> None:
    check(answered_error(status, headers, answer, "http://e", "m"))
    content = json.dumps(answer).encode()
    check(answered_error(status, headers, content, "http://e", "m"))
    completion(content, headers)


@settings(max_examples=300, deadline=None)
@given(JSON_VALUES, JSON_VALUES, JSON_VALUES, JSON_VALUES)
def test_any_choice_and_usage(content: Any, reason: Any, usage: Any, other: Any) -> None:
    message = {"content": content, "reasoning_content": other, "refusal": other}
    choice = {"message": message, "finish_reason": reason}
    completion(json.dumps({"choices": [choice], "usage": usage}).encode(), {})
    said = {"content": content, "stop_reason": reason, "stop_details": other, "usage": usage}
    completion(json.dumps(said).encode(), {})


def test_a_document_without_end() -> None:
    nested: Any = "x"
    for _ in range(500):
        nested = {"error": [nested], "message": "a" * 50}
    check(answered_error(400, {}, nested, "http://e", "m"))
    check(answered_error(400, {}, b"[" * 100_000, "http://e", "m"))
    completion(b"[" * 100_000, {})
    completion(b'{"error": ' * 30_000, {})
