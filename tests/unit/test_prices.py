"""Prices: which source counts, which names are the same model, and whole billionths."""

from __future__ import annotations

import pytest

from ruie.worker.prices import LISTED, Price, cost_nusd, price_of

GIVEN = {"gpt-4.1": (2.0, 8.0), "gpt-4.1-mini": (0.4, 1.6), "local": (0.0, 0.0)}


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("gpt-4.1", Price(2.0, 8.0)),
        ("gpt-4.1-mini", Price(0.4, 1.6)),
        ("gpt-4.1-mini-2025-04-14", Price(0.4, 1.6)),
        ("gpt-4.1-2025-04-14", Price(2.0, 8.0)),
        ("gpt-4.1-latest", Price(2.0, 8.0)),
        ("gpt-4.1@20250414", Price(2.0, 8.0)),
        ("gpt-4.1-nano", None),
        ("gpt-4.1-nano-2025-04-14", None),
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
    assert price_of("deepseek-flash", {}) == LISTED["deepseek-flash"]
    assert price_of("deepseek-flash", {"deepseek-flash": (1.0, 2.0)}) == Price(1.0, 2.0)
    dated = "claude-haiku-4-5-20251001"
    assert price_of(dated, {}) == LISTED["claude-haiku-4-5"]
    assert price_of(dated, {"claude-haiku-4-5": (0.5, 1.0)}) == Price(0.5, 1.0)


def test_the_list_is_of_prices() -> None:
    for name, price in LISTED.items():
        assert 0 < price.input < price.output < 200, name


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
