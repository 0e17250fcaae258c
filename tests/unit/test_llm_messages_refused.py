"""What Anthropic's Messages refuse, and what is learned of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support.clients import CALL as CHAT

from ruie.errors import (
    AccountError,
    CallError,
    ContextTooLongError,
    ModelError,
    ParameterRefusedError,
    RateLimitedError,
    RequestRefusedError,
    TransientCallError,
)
from ruie.llm.api import Api
from ruie.llm.failures import answered_error
from ruie.llm.profile import DEFAULT
from ruie.llm.response import read_completion

CALL = replace(CHAT, api=Api.MESSAGES)
AS_JSON = replace(CALL, response_format={"type": "json_schema", "json_schema": {"schema": {}}})

ERRORS: list[tuple[str, str, type[CallError]]] = [
    ("invalid_request_error", "messages: at least one message is required", RequestRefusedError),
    ("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", ContextTooLongError),
    ("invalid_request_error", "Your credit balance is too low to access the", AccountError),
    ("authentication_error", "invalid x-api-key", AccountError),
    ("billing_error", "There is an issue with your billing.", AccountError),
    ("permission_error", "Your API key does not have permission to use it.", AccountError),
    ("not_found_error", "model: claude-9", ModelError),
    ("request_too_large", "Request exceeds the maximum size", ContextTooLongError),
    ("rate_limit_error", "Number of requests has exceeded your limit", RateLimitedError),
    ("timeout_error", "Request timed out.", TransientCallError),
    ("api_error", "Internal server error", TransientCallError),
    ("overloaded_error", "Overloaded", RateLimitedError),
]


@pytest.mark.parametrize(("kind", "words", "means"), ERRORS, ids=[e[0] for e in ERRORS])
def test_an_error_without_a_status(kind: str, words: str, means: type[CallError]) -> None:
    """As a batch has it, or an answer with status 200."""
    document = {"type": "error", "error": {"type": kind, "message": words}}
    assert type(answered_error(None, {}, document, "http://e", "claude-9")) is means
    with pytest.raises(means) as caught:
        read_completion(document, {}, 0.1, CALL, "http://e")
    assert words.split(":")[0] in caught.value.message


def refusal(words: str) -> CallError:
    document = {"type": "error", "error": {"type": "invalid_request_error", "message": words}}
    return answered_error(400, {}, json.dumps(document).encode(), "http://e", "m")


@pytest.mark.parametrize(
    "words",
    [
        "output_config: Extra inputs are not permitted",
        "output_config.format: Extra inputs are not permitted",
        "output_config.format.schema: Schema type 'oneOf' is not supported",
        "The compiled grammar is too large, which would cause performance issues.",
        "Schema is too complex for compilation.",
    ],
)
def test_a_schema_that_is_not_taken_is_done_without(words: str) -> None:
    error = refusal(words)
    assert isinstance(error, ParameterRefusedError), error
    learned = DEFAULT.after_refusal(AS_JSON, error)
    assert learned == replace(DEFAULT, response_format=""), "there is no weaker format"


@pytest.mark.parametrize(
    "words",
    [
        "`temperature` is deprecated for this model.",
        "temperature: Extra inputs are not permitted",  # anthropic-version 2026-10-21
        "temperature is not supported for claude-fable-5 when set to non-default values",
        "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.",
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
    ],
)
def test_a_temperature_that_is_not_taken_is_left_out(words: str) -> None:
    error = refusal(words)
    assert isinstance(error, ParameterRefusedError), error
    learned = DEFAULT.after_refusal(CALL, error)
    assert learned == replace(DEFAULT, omitted=frozenset({"temperature"}))


@pytest.mark.parametrize(
    ("words", "name", "about_value"),
    [
        ("reasoning_effort: Extra inputs are not permitted", "reasoning_effort", False),
        ("service_tier: Input should be 'auto' or 'standard_only'", "service_tier", True),
        ("thinking.enabled.budget_tokens: Input should be greater than 1023", "thinking", True),
    ],
)
def test_a_parameter_that_somebody_set_is_named(words: str, name: str, about_value: bool) -> None:
    error = refusal(words)
    assert isinstance(error, ParameterRefusedError), error
    assert (error.parameter, error.about_value) == (name, about_value)
    assert DEFAULT.after_refusal(replace(CALL, parameters={name: 1}), error) is None


@pytest.mark.parametrize(
    "words",
    [
        "messages.0.content.0.text: Extra inputs are not permitted",
        "messages.1.role: Input should be 'user' or 'assistant'",
        "messages: text content blocks must be non-empty",
    ],
)
def test_what_is_wrong_with_the_document_names_no_parameter(words: str) -> None:
    assert type(refusal(words)) is RequestRefusedError


def test_the_limit_of_the_output_is_learned_and_never_left_out() -> None:
    long = replace(CALL, max_tokens=100_000)
    words = "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for"
    error = refusal(f"{words} claude-sonnet-4-5-20250929")
    assert isinstance(error, ParameterRefusedError)
    learned = DEFAULT.after_refusal(long, error)
    assert learned == replace(DEFAULT, most_output=64_000)
    unknown = refusal("max_tokens: Extra inputs are not permitted")
    assert isinstance(unknown, ParameterRefusedError)
    assert DEFAULT.after_refusal(CALL, unknown) is None


def test_thoughts_that_a_parameter_asks_for_get_room() -> None:
    words = "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our docs"
    error = refusal(words)
    assert isinstance(error, ParameterRefusedError)
    assert "RUIE_LLM_REASONING_TOKENS" in error.hint
    learned = DEFAULT.after_refusal(CALL, error)
    assert learned == replace(DEFAULT, reasons=True)
    assert learned is not None
    assert learned.after_refusal(CALL, error) is None, "there is no more room to give"
