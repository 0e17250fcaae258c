"""Whatever an endpoint sends as a usage is read, and every form of one call says the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ruie.llm.usage import read_usage
from ruie.usage import Usage

NAMES = st.sampled_from(
    [
        "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens",
        "prompt_tokens_details", "completion_tokens_details", "cached_tokens", "cost", "is_byok",
        "cache_write_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "x_groq",
        "cache_creation", "ephemeral_1h_input_tokens", "reasoning_tokens", "cost_in_usd_ticks",
        "prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "cost_details", "service_tier",
        "upstream_inference_cost", "usage", "total_cost",
    ]
)  # fmt: skip  # a list of names
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(0, 3000)
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "12", "flex", 10**400, -(10**400)])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=8),
    max_leaves=20,
)


@given(stated=st.dictionaries(NAMES, ANYTHING, max_size=8) | ANYTHING)
def test_anything_is_a_usage(stated: object) -> None:
    for answer in (stated, {"usage": stated}, {"x_groq": {"usage": stated}}):
        usage = read_usage(answer)
        counts = (
            usage.prompt, usage.completion, usage.cached, usage.cache_written, usage.reasoning
        )  # fmt: skip  # a list
        assert all(type(count) is int and 0 <= count < 2**31 for count in counts)
        assert usage.cached + usage.cache_written <= usage.prompt
        assert usage.reasoning <= usage.completion
        assert usage.cost_usd is None or 0 <= usage.cost_usd < 2001
        assert usage.prompt > 0 or not usage.counted


COUNT = st.integers(0, 10**6)


@given(uncached=st.integers(1, 10**6), cached=COUNT, written=COUNT, said=COUNT, thought=COUNT)
def test_every_form_of_one_usage_is_read_alike(
    uncached: int, cached: int, written: int, said: int, thought: int
) -> None:
    prompt, completion = uncached + cached + written, said + thought
    details = {
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
    forms: list[dict[str, Any]] = [
        {"prompt_tokens": prompt, "completion_tokens": completion, **details},
        {
            "prompt_tokens": prompt,
            "completion_tokens": said,
            "total_tokens": prompt + completion,
            **details,
        },
        {
            "input_tokens": uncached,
            "cache_read_input_tokens": cached,
            "cache_creation_input_tokens": written,
            "output_tokens": completion,
            "output_tokens_details": {"thinking_tokens": thought},
        },
    ]
    usage = Usage(prompt, completion, cached, written, thought)
    if thought == cached + written:
        del forms[1]  # what is missing in the sum may be either
    for form in forms:
        assert read_usage({"usage": form}) == usage
