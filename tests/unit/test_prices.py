"""Prices: which source counts, which names are the same model, and whole billionths."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruie.llm import Call, Usage
from ruie.token_prices import TokenPrices
from ruie.worker.prices import Hours, Price, cost_nusd, most_nusd, price_of, usage_nusd

GIVEN = {"gpt-4.1": (2.0, 8.0), "gpt-4.1-mini": (0.4, 1.6), "local": (0.0, 0.0)}
NANO = {
    **dict.fromkeys(("priority", "fast"), Price(0.2, 0.8, cached=0.05)),
    "batch": Price(0.05, 0.2, cached=0.025),
}  # of the list


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("gpt-4.1", Price(2.0, 8.0)),
        ("gpt-4.1-mini", Price(0.4, 1.6)),
        ("gpt-4.1-mini-2025-04-14", Price(0.4, 1.6)),
        ("gpt-4.1-2025-04-14", Price(2.0, 8.0)),
        ("gpt-4.1-latest", Price(2.0, 8.0)),
        ("gpt-4.1@20250414", Price(2.0, 8.0)),
        ("gpt-4.1-nano", Price(0.1, 0.4, cached=0.025, tiers=NANO)),
        ("gpt-4.1-nano-2025-04-14", Price(0.1, 0.4, cached=0.025, tiers=NANO)),
        ("gpt-4.10", None),
        ("a-gpt-4.1", None),
        ("local", Price(0.0, 0.0)),
        ("", None),
    ],
)
def test_a_dated_name_is_the_same_model_and_a_word_makes_another(
    model: str, price: Price | None
) -> None:
    assert price_of(model, GIVEN) == price


def test_the_setting_takes_precedence_over_the_list() -> None:
    assert price_of("deepseek-flash", {}) != Price(1.0, 2.0)
    assert price_of("deepseek-flash", {"deepseek-flash": (1.0, 2.0)}) == Price(1.0, 2.0)
    dated = "claude-haiku-4-5-20251001"
    assert price_of(dated, {}) == price_of("claude-haiku-4-5", {})
    assert price_of(dated, {"claude-haiku-4-5": (0.5, 1.0)}) == Price(0.5, 1.0)


def test_the_setting_may_name_its_prices() -> None:
    named = TokenPrices(input=1.0, output=4.0, cached=0.1, cache_write=1.25, flex=(0.5, 2.0))
    price = price_of("m", {"m": named})
    assert price == Price(1.0, 4.0, cached=0.1, cache_write=1.25, tiers={"flex": Price(0.5, 2.0)})


@pytest.mark.parametrize(
    ("price", "tokens", "nusd"),
    [
        ((0.15, 0.60), (1_000_000, 0), 150_000_000),
        ((0.15, 0.60), (1, 0), 150),
        ((0.15, 0.60), (1000, 100), 210_000),
        ((0.0001, 0.0), (1, 0), 1),
        ((0.0001, 0.0), (10, 0), 1),
        ((0.0001, 0.0), (11, 0), 2),
        ((0.0028, 0.28), (7, 3), 860),
        ((3.0, 15.0), (10**12, 10**12), 18 * 10**15),
        ((0.0, 0.0), (1000, 1000), 0),
    ],
)
def test_a_cost_is_exact_and_rounded_up(
    price: tuple[float, float], tokens: tuple[int, int], nusd: int
) -> None:
    assert cost_nusd(Price(*price), *tokens) == nusd


CACHES = Price(1.0, 8.0, cached=0.1, cache_write=1.25, tiers={"flex": Price(0.5, 4.0)})
HOURS = replace(CACHES, cache_write_1h=2.0, tiers={"fast": Price(6.0, 48.0)})


@pytest.mark.parametrize(
    ("usage", "nusd"),
    [
        (Usage(100, 10), 100_000 + 80_000),
        (Usage(100, 10, cached=60), 40_000 + 6_000 + 80_000),
        (Usage(100, 10, cache_written=60), 40_000 + 75_000 + 80_000),
        (Usage(100, 10, cached=30, cache_written=60), 10_000 + 3_000 + 75_000 + 80_000),
        (Usage(100, 10, reasoning=7), 100_000 + 80_000),  # a part of the output
        (Usage(100, 10, service_tier="flex"), 50_000 + 40_000),
        (Usage(100, 10, cached=60, service_tier="flex"), 50_000 + 40_000),
        (Usage(100, 10, service_tier="default"), 100_000 + 80_000),
        (Usage(100, 10, cost_usd=0.0000123456789), 12_346),  # what was charged, rounded up
    ],
)
def test_each_kind_of_token_has_its_price(usage: Usage, nusd: int) -> None:
    assert usage_nusd(CACHES, usage) == nusd


@pytest.mark.parametrize(
    ("usage", "nusd"),
    [
        (Usage(100, 10, cache_written=60), 40_000 + 75_000 + 80_000),
        (Usage(100, 10, cache_written=60, cache_written_1h=60), 40_000 + 120_000 + 80_000),
        (Usage(100, 10, cache_written=60, cache_written_1h=20), 40_000 + 50_000 + 40_000 + 80_000),
        (Usage(100, 10, service_tier="fast"), 600_000 + 480_000),
    ],
)
def test_what_is_kept_for_an_hour_and_what_is_fast_cost_more(usage: Usage, nusd: int) -> None:
    assert usage_nusd(HOURS, usage) == nusd
    assert usage_nusd(CACHES, Usage(100, 10, cache_written=60, cache_written_1h=60)) == 195_000


def test_what_is_asked_for_is_reserved_at_its_price() -> None:
    call = Call("m", ({"role": "user", "content": "x" * 84},), 10, 3)

    def most(**parameters: object) -> int:
        return most_nusd(HOURS, replace(call, parameters=parameters))

    assert most() == 125_000 + 80_000
    assert most(cache_control={"type": "ephemeral"}) == 125_000 + 80_000
    assert most(cache_control={"type": "ephemeral", "ttl": "1h"}) == 200_000 + 80_000
    assert most(speed="fast") == 600_000 + 480_000


def test_what_the_provider_charged_needs_no_price() -> None:
    assert usage_nusd(None, Usage(100, 10, cost_usd=0.5)) == 500_000_000
    assert usage_nusd(None, Usage(100, 10)) is None


def test_a_long_prompt_has_its_price() -> None:
    price = Price(1.0, 8.0, above=((100, Price(2.0, 12.0)), (200, Price(3.0, 16.0))))
    assert cost_nusd(price, 100, 1) == 108_000
    assert cost_nusd(price, 101, 1) == 2 * 101_000 + 12_000
    assert cost_nusd(price, 201, 1) == 3 * 201_000 + 16_000


@pytest.mark.parametrize(
    ("began", "ended", "input_price"),
    [
        ("12:00", "12:05", 1.0),
        ("01:00", "01:05", 2.0),
        ("00:55", "01:05", 2.0),  # whichever of the two counts
        ("03:55", "04:00", 2.0),
        ("04:00", "04:05", 1.0),
        ("22:30", "22:31", 3.0),
        ("00:10", "00:11", 3.0),
        ("23:59", "00:31", 3.0),
    ],
)
def test_a_price_may_depend_on_the_hour(began: str, ended: str, input_price: float) -> None:
    hours = (
        Hours(time(0), time(0), Price(1.0, 1.0)),
        Hours(time(1), time(4), Price(2.0, 2.0)),
        Hours(time(22), time(0, 30), Price(3.0, 3.0)),
    )
    price = Price(3.0, 3.0, hours=hours)
    moments = [datetime.fromisoformat(f"2026-03-01T{moment}Z") for moment in (began, ended)]
    assert price.during(*moments).input == input_price
    assert Price(5.0, 5.0).during(*moments).input == 5.0


PRICES = st.builds(
    Price,
    st.floats(0, 100),
    st.floats(0, 100),
    cached=st.none() | st.floats(0, 100),
    cache_write=st.none() | st.floats(0, 200),
    call=st.floats(0, 0.1),
)


@given(
    price=st.builds(
        lambda base, long, flex: replace(base, above=((300, long),), tiers={"flex": flex}),
        PRICES,
        PRICES,
        PRICES,
    ),
    parts=st.tuples(*[st.integers(0, 200)] * 3),
    completion=st.integers(0, 100),
    tier=st.sampled_from(["", "flex", "default", "other"]),
)
def test_no_cache_and_no_tier_makes_a_call_cost_more_than_was_reserved(
    price: Price, parts: tuple[int, int, int], completion: int, tier: str
) -> None:
    """As long as the tier is the one that was asked for, or none with a price of its own."""
    text = "x" * sum(parts)
    call = Call(
        "m", ({"role": "user", "content": text},), 100, 1, parameters={"service_tier": tier}
    )
    usage = Usage(sum(parts), completion, parts[0], parts[1], service_tier=tier)
    cost = usage_nusd(price, usage)
    assert cost is not None
    assert cost <= most_nusd(price, call)
