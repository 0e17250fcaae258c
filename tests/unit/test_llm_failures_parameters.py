"""Which parameter a provider refuses, and what is no such refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ruie.errors import AccountError, ParameterRefusedError, RequestRefusedError
from ruie.llm.failures import answered_error


def read(body: Any, status: int = 400) -> Any:
    return answered_error(status, {}, json.dumps(body).encode(), "http://e/v1", "m")


def error(message: str, param: object = None, code: object = None) -> dict[str, Any]:
    return {"error": {"message": message, "param": param, "code": code}}


def loc(*names: object, kind: str = "extra_forbidden") -> list[dict[str, Any]]:
    return [{"type": kind, "loc": ["body", *names], "msg": "as it says", "input": "seed is bad"}]


OPENAI = "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
TOO_LARGE = "max_tokens is too large: 9000. This model supports at most 4096 completion tokens."
SYSTEM = "Unsupported value: 'messages[0].role' does not support 'system' with this model."
VLLM_2024 = "[{'type': 'extra_forbidden', 'loc': ('body', 'stop'), 'msg': 'Extra inputs'}]"


@pytest.mark.parametrize(
    ("body", "name", "about_value"),
    [
        # OpenAI
        (error("?", "max_tokens", "unsupported_parameter"), "max_tokens", False),
        (error("?", "temperature", "unsupported_value"), "temperature", True),
        (error("?", "reasoning_effort", "unknown_parameter"), "reasoning_effort", False),
        (error("Unsupported parameter: 'verbosity'", "verbosity"), "verbosity", False),
        (error(f"{OPENAI} 'max_completion_tokens' instead."), "max_tokens", False),
        (error(TOO_LARGE, "max_tokens", "invalid_value"), "max_tokens", True),
        (error(TOO_LARGE), "max_tokens", True),
        (error("Unrecognized request argument supplied: logprobs"), "logprobs", False),
        (error("This model does not support the 'logprobs' parameter.", "logprobs"), "logprobs", 0),
        (error("Cannot use logprobs with this model"), "logprobs", False),
        (error("logprobs not supported"), "logprobs", False),
        (
            error("Unable to submit request because Logprobs is not supported for this model."),
            "logprobs",
            False,
        ),
        (error("Logprobs is not enabled for models/gemini-2.5-pro"), "logprobs", False),
        (error("top_logprobs must be at least 1"), "logprobs", True),
        (error(SYSTEM, "messages[0].role", "unsupported_value"), "messages.system", False),
        (
            error("Invalid parameter: 'response_format' of type 'json_schema' is not supported"),
            "response_format",
            True,
        ),
        # Anthropic
        (error("`temperature` is deprecated for this model."), "temperature", False),
        (error("temperature: range: 0..1"), "temperature", True),
        (error("max_tokens: 9000 > 8192, which is the maximum allowed"), "max_tokens", True),
        # Gemini
        ([error('Invalid JSON payload. Unknown name "stop": Cannot find field.')], "stop", False),
        ([error("Logprobs is not enabled for models/gemini-9")], "logprobs", False),
        ([error("Developer instruction is not enabled for models/g")], "messages.system", False),
        # Mistral, and servers built on pydantic
        ({"object": "error", "message": {"detail": loc("stop")}}, "stop", False),
        ({"detail": loc("stop")}, "stop", False),
        ({"detail": loc("temperature", kind="less_than_equal")}, "temperature", True),
        ({"object": "error", "message": VLLM_2024, "code": 400}, "stop", False),
        # Groq, xAI, DeepSeek, DashScope, LM Studio, LiteLLM, Bedrock
        (error("property 'seed' is unsupported"), "seed", False),
        (error("`max_tokens` must be less than or equal to `8192`"), "max_tokens", True),
        ({"code": "x", "error": "Argument not supported on this model: stop"}, "stop", False),
        ({"code": "x", "error": "Model grok does not support parameter stop."}, "stop", False),
        (error("This response_format type is unavailable now"), "response_format", True),
        (error("Invalid max_tokens value, the valid range is [1, 8192]"), "max_tokens", True),
        (error("Range of max_tokens should be [1, 8192]"), "max_tokens", True),
        ({"error": "'response_format.type' must be 'json_schema'"}, "response_format", True),
        (error("x does not support parameters: ['temperature'], for m"), "temperature", False),
        (error("The model returned errors: `temperature` is deprecated"), "temperature", False),
        (error("System role not supported"), "messages.system", False),
    ],
)
def test_a_parameter_that_is_refused(body: Any, name: str, about_value: bool) -> None:
    refused = read(body)
    assert type(refused) is ParameterRefusedError, refused
    assert (refused.parameter, refused.about_value) == (name, bool(about_value))
    assert refused.maybe_charged is False
    assert name in refused.message


def test_the_name_to_use_instead() -> None:
    refused = read(error(f"{OPENAI} 'max_completion_tokens' instead.", "max_tokens"))
    assert refused.suggested == "max_completion_tokens"
    assert "max_completion_tokens" in refused.hint
    assert read(error("?", "stop", "unsupported_parameter")).suggested == ""


ECHO = "Failed to parse the prompt: \"He said that temperature is not supported, 'stop' must be\""


@pytest.mark.parametrize(
    "body",
    [
        error("Invalid value in the text: please stop"),
        error(ECHO),
        error("What is wrong?", "messages", "invalid_value"),
        {"detail": loc("messages", 0, "user", "name")},
        {"detail": loc("prompt", kind="missing")},
        {"detail": [{"type": "string_type", "msg": "bad", "input": "stop is not supported"}]},
    ],
)
def test_what_names_no_parameter(body: Any) -> None:
    assert type(read(body)) is RequestRefusedError, read(body)


def test_nobody_may_ask_how_probable_tokens_were() -> None:
    """OpenAI of its reasoning models, with the status of an account's error."""
    words = "You are not allowed to request logprobs from this model"
    found = read(error(words), 403)
    assert isinstance(found, ParameterRefusedError)
    assert found.parameter == "logprobs"
    assert isinstance(read(error("You are not allowed to use this model"), 403), AccountError)
