"""What is read from the headers in which providers state their limits."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ruie.worker.limits.headers import ProviderLimit, provider_limits, seconds

NAMES = [
    f"x-ratelimit-{what}-{of}"
    for what in ("limit", "remaining", "reset")
    for of in ("requests", "tokens")
]


def requests(limit: str, remaining: str, reset: str) -> list[ProviderLimit]:
    return provider_limits(dict(zip(NAMES[::2], (limit, remaining, reset), strict=True)))


def test_a_limit_of_a_minute() -> None:
    assert requests("600", "480", "12s") == [ProviderLimit("r", 600, 480, 12, 600)]
    assert requests("600", "600", "0s") == [ProviderLimit("r", 600, 600, 0, 600)]
    # as Groq's documentation has it: of 3 tokens, no time can be told
    assert requests("18000", "17997", "7.66s") == [ProviderLimit("r", 18000, 17997, 7.66, 18000)]


@pytest.mark.parametrize(
    ("remaining", "reset", "most"),
    [
        ("14370", "2m59.56s", 1437),  # of a day's limit, most is left: it slows nothing down
        ("150", "1424m50s", 15),
        ("20", "1436m48s", 10),  # no less than what comes back
        ("0", "24h0m0s", 10),
    ],
)
def test_of_a_day_s_limit_a_tenth_of_the_rest_may_be_used(
    remaining: str, reset: str, most: float
) -> None:
    (limit,) = requests("14400", remaining, reset)
    assert limit.limit == pytest.approx(most, rel=0.01)
    assert limit.remaining == pytest.approx(min(float(remaining), most), rel=0.01)
    assert limit.refill == pytest.approx(10, rel=0.01)


def test_a_day_s_limit_lasts() -> None:
    """However many minutes are called as fast as is allowed, something is left."""
    left = 13000.0
    for _ in range(24 * 60):
        (limit,) = requests("14400", str(left - 1), f"{(14400 - left + 1) * 6}s")
        left = min(14400.0, left - limit.limit + 10)
        assert left > 10


SENT = {
    "date": "Thu, 21 Aug 2025 12:41:00 GMT",
    "anthropic-ratelimit-requests-limit": "1000",
    "anthropic-ratelimit-requests-remaining": "990",
    "anthropic-ratelimit-requests-reset": "2025-08-21T12:40:59Z",
    "anthropic-ratelimit-input-tokens-limit": "80000",
    "anthropic-ratelimit-input-tokens-remaining": "78000",
    "anthropic-ratelimit-input-tokens-reset": "2025-08-21T12:41:05Z",
    "anthropic-ratelimit-output-tokens-limit": "16000",
    "anthropic-ratelimit-output-tokens-remaining": "17000",
    "anthropic-ratelimit-output-tokens-reset": "2025-08-21T12:51:00Z",
    "anthropic-ratelimit-tokens-limit": "96000",
    "anthropic-ratelimit-tokens-remaining": "94000",
}


def test_anthropic_counts_input_and_output_apart() -> None:
    assert provider_limits(SENT) == [
        ProviderLimit("r", 1000, 990, 0, 1000),  # whole again by now
        ProviderLimit("i", 80000, 78000, 5, 80000),
        ProviderLimit("o", 16000, 16000, 60, 16000),  # no more than all, in no more than a minute
        ProviderLimit("t", 96000, 94000, 60, 96000),  # of which it is not said
    ]
    undated = {name: value for name, value in SENT.items() if name != "date"}
    assert {limit.reset_s for limit in provider_limits(undated)} == {60}


@pytest.mark.parametrize(
    ("text", "value"),
    [("6m0s", 360), ("120ms", 0.12), ("1.5", 1.5), ("1h2m", 3720), ("soon", None), ("", None)],
)
def test_spans_of_time(text: str, value: float | None) -> None:
    assert seconds(text) == value


@example(dict(zip(NAMES[::2], ("1", "0", "0"), strict=True)))
@example(dict.fromkeys(SENT, "9999-12-31T23:59:59-14:00") | {"date": "x"})
@given(
    st.dictionaries(
        st.sampled_from([*NAMES, *SENT]),
        st.text(max_size=12) | st.floats().map(str) | st.sampled_from(sorted(SENT.values())),
    )
)
def test_no_headers_break_it(headers: dict[str, str]) -> None:
    for limit in provider_limits(headers):
        assert limit.limit >= 1
        assert 0 <= limit.remaining <= limit.limit
