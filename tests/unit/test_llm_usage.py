"""What a call used, from each provider's form of saying it and from anything else."""

from __future__ import annotations

from typing import Any

import pytest

from ruie.llm.usage import MAX_TOKENS, read_usage
from ruie.usage import Usage

FORMS: dict[str, tuple[dict[str, Any], Usage]] = {
    # developers.openai.com/api/docs/guides/prompt-caching
    "openai": (
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 512},
            "completion_tokens_details": {"reasoning_tokens": 256, "audio_tokens": 0},
        },
        Usage(2006, 300, 1024, 512, 256),
    ),
    # platform.claude.com/docs/en/api/openai-sdk: the details are always empty
    "anthropic, OpenAI-compatible": (
        {
            "prompt_tokens": 20,
            "completion_tokens": 7,
            "total_tokens": 27,
            "prompt_tokens_details": None,
            "completion_tokens_details": None,
        },
        Usage(20, 7),
    ),
    # platform.claude.com/docs/en/api/messages: the input is what no cache had to do with
    "anthropic": (
        {
            "input_tokens": 50,
            "cache_read_input_tokens": 1000,
            "cache_creation_input_tokens": 248,
            "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
            "output_tokens": 503,
            "output_tokens_details": {"thinking_tokens": 400},
            "service_tier": "standard",
        },
        Usage(1298, 503, 1000, 248, 400, service_tier="standard", cache_written_1h=100),
    ),
    # a gateway that counts as Anthropic does, under OpenAI's names
    "prompt without its cached tokens": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 10,
            "total_tokens": 160,
            "cache_read_input_tokens": 50,
        },
        Usage(150, 10, 50),
    ),
    # docs.litellm.ai/docs/completion/prompt_caching
    "litellm": (
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920},
            "cache_creation_input_tokens": 50,
            "cache_read_input_tokens": 1920,
        },
        Usage(2006, 300, 1920, 50),
    ),
    # api-docs.deepseek.com/api/create-chat-completion
    "deepseek": (
        {
            "prompt_tokens": 130,
            "completion_tokens": 40,
            "total_tokens": 170,
            "prompt_cache_hit_tokens": 128,
            "prompt_cache_miss_tokens": 2,
            "completion_tokens_details": {"reasoning_tokens": 30},
        },
        Usage(130, 40, 128, 0, 30),
    ),
    "mistral": (
        {
            "prompt_tokens": 30,
            "completion_tokens": 4,
            "total_tokens": 34,
            "num_cached_tokens": 16,
            "prompt_audio_seconds": {},
        },
        Usage(30, 4, 16),
    ),
    # console.groq.com/docs/api-reference
    "groq": (
        {
            "queue_time": 0.01,
            "prompt_tokens": 30,
            "prompt_time": 0.001,
            "completion_tokens": 4,
            "total_tokens": 34,
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
        Usage(30, 4, 0, 0, 3),
    ),
    # ai.google.dev/gemini-api/docs/openai: what it thinks is in the total alone
    "gemini": (
        {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623},
        Usage(20, 603, reasoning=405),
    ),
    # docs.x.ai/developers/cost-tracking; it reports thinking beside the completion
    "xai": (
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "prompt_tokens_details": {"cached_tokens": 6},
            "completion_tokens_details": {"reasoning_tokens": 94},
            "cost_in_usd_ticks": 37_756_000,
        },
        Usage(32, 103, 6, 0, 94, cost_usd=0.0037756),
    ),
    # openrouter.ai/docs/use-cases/usage-accounting
    "openrouter": (
        {
            "prompt_tokens": 194,
            "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 100},
            "completion_tokens": 2,
            "completion_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 196,
            "cost": 0.95,
            "is_byok": False,
            "cost_details": {"upstream_inference_cost": 0.95},
        },
        Usage(194, 2, 10, 100, cost_usd=0.95),
    ),
    "openrouter, with a key of one's own": (
        {
            "prompt_tokens": 194,
            "completion_tokens": 2,
            "total_tokens": 196,
            "cost": 0.95,
            "cost_details": {"upstream_inference_cost": 19},
        },
        Usage(194, 2, cost_usd=19.95),
    ),
    "perplexity": (
        {
            "prompt_tokens": 8,
            "completion_tokens": 4,
            "total_tokens": 12,
            "cost": {"request_cost": 0.005, "total_cost": 0.006},
        },
        Usage(8, 4, cost_usd=0.006),
    ),
    "llama.cpp, Ollama, LM Studio": (
        {"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12},
        Usage(8, 4),
    ),
    "an empty answer": ({"prompt_tokens": 8, "completion_tokens": 0}, Usage(8, 0)),
    "counts as floats, an empty object from PHP": (
        {"prompt_tokens": 8.0, "completion_tokens": 4.0, "prompt_tokens_details": []},
        Usage(8, 4),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_provider_is_read(form: str) -> None:
    stated, usage = FORMS[form]
    assert read_usage({"usage": stated}) == usage


def test_groq_may_state_it_elsewhere() -> None:
    stated = {"prompt_tokens": 30, "completion_tokens": 4, "total_tokens": 34}
    assert read_usage({"usage": None, "x_groq": {"usage": stated}}) == Usage(30, 4)


@pytest.mark.parametrize(
    ("stated", "usage"),
    [
        # more cached than there is input: the input leaves the cached tokens out
        (
            {"prompt_tokens": 5, "completion_tokens": 1, "prompt_cache_hit_tokens": 9},
            Usage(14, 1, 9),
        ),
        # more thought than there is output: the output leaves the thinking out
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 1,
                "completion_tokens_details": {"reasoning_tokens": 9},
            },
            Usage(5, 10, reasoning=9),
        ),
        # a total that is less than its parts
        ({"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 3}, Usage(5, 1)),
        # hits and misses are more than the prompt
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 1,
                "prompt_cache_hit_tokens": 4,
                "prompt_cache_miss_tokens": 4,
            },
            Usage(8, 1, 4),
        ),
    ],
)
def test_a_usage_that_contradicts_itself_is_the_dearer_reading(
    stated: dict[str, Any], usage: Usage
) -> None:
    assert read_usage({"usage": stated}) == usage


@pytest.mark.parametrize(
    "stated",
    [
        None,
        "none",
        [],
        {},
        {"prompt_tokens": 8},
        {"completion_tokens": 8},
        {"prompt_tokens": 0, "completion_tokens": 8},
        {"prompt_tokens": True, "completion_tokens": 8},
        {"prompt_tokens": "8", "completion_tokens": 8},
        {"prompt_tokens": -8, "completion_tokens": 8},
        {"prompt_tokens": 8, "completion_tokens": 8.5},
        {"prompt_tokens": 8, "completion_tokens": float("nan")},
        {"prompt_tokens": float("inf"), "completion_tokens": 8},
        {"prompt_tokens": MAX_TOKENS + 1, "completion_tokens": 8},
        {"prompt_tokens": 8, "completion_tokens": 8, "total_tokens": "many"},
        {"prompt_tokens": 8, "completion_tokens": 8, "prompt_tokens_details": "none"},
        {
            "prompt_tokens": 8,
            "completion_tokens": 8,
            "prompt_tokens_details": {"cache_write_tokens": -4},
        },
    ],
)
def test_what_cannot_be_read_is_not_counted(stated: object) -> None:
    usage = read_usage({"usage": stated})
    assert not usage.counted
    assert usage.prompt in (0, 8)
    assert usage.completion in (0, 8)


@pytest.mark.parametrize("cost", [-1, True, "0.1", float("nan"), float("inf"), 1e300, 10**400, {}])
def test_a_cost_is_a_plausible_number(cost: object) -> None:
    stated = {"prompt_tokens": 8, "completion_tokens": 4, "cost": cost}
    assert read_usage({"usage": stated}) == Usage(8, 4)


@pytest.mark.parametrize(
    ("tier", "read"), [("flex", "flex"), (None, ""), (3, ""), ("x" * 33, ""), (["flex"], "")]
)
def test_the_tier_that_was_charged_is_read(tier: object, read: str) -> None:
    stated = {"prompt_tokens": 8, "completion_tokens": 4}
    answer = {"usage": stated, "service_tier": tier}
    assert read_usage(answer) == Usage(8, 4, service_tier=read)
