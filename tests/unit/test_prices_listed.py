"""The list of prices: whose price counts, by the endpoint and by the name of the model."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime

import pytest

from ruie.worker.prices import Price, price_of
from ruie.worker.prices.listed import listed_price

LITELLM = "http://127.0.0.1:4000/v1"


def rates(model: str, endpoint: str = "") -> tuple[float, float] | None:
    price = price_of(model, {}, endpoint)
    return None if price is None else (price.input, price.output)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        # as vendors' own pages had them, at peak hours where the price depends on the hour
        ("claude-haiku-4-5", (1.0, 5.0)),
        ("claude-haiku-4-5-20251001", (1.0, 5.0)),
        ("deepseek-flash", (0.30, 1.20)),
        ("deepseek-v4-pro", (1.32, 3.96)),
        ("gpt-4.1-mini-2025-04-14", (0.4, 1.6)),
        ("no-such-model", None),
        ("scripted", None),
        ("", None),
    ],
)
def test_a_name_alone_is_priced(model: str, expected: tuple[float, float] | None) -> None:
    assert rates(model) == expected


def test_anthropic_charges_for_caches_and_for_speed() -> None:
    price = listed_price("claude-opus-5", "https://api.anthropic.com", date(2026, 11, 29))
    assert price is not None
    assert (price.cached, price.cache_write, price.cache_write_1h) == (0.5, 6.25, 10.0)
    fast = price.tiers["fast"]
    assert fast.input > price.input
    assert fast.output > price.output


@pytest.mark.parametrize(
    ("endpoint", "model", "known"),
    [
        ("https://api.openai.com/v1", "gpt-4.1-mini", True),
        ("https://api.openai.com/v1", "claude-haiku-4-5", False),  # it has no such model
        ("https://api.anthropic.com/v1/", "claude-haiku-4-5", True),
        ("https://api.deepseek.com", "deepseek-v4-pro", True),
        ("https://a-resource.openai.azure.com/openai/v1/", "gpt-4.1-mini", True),
        ("https://openrouter.ai/api/v1", "openai/gpt-4.1-mini", True),
        ("https://proxy.example.com/v1", "gpt-4.1-mini", True),
        (LITELLM, "gpt-4.1-mini", True),
        # models that anybody runs, under the names that servers at home give them
        (LITELLM, "openai/gpt-oss-20b", False),
        (LITELLM, "Qwen/Qwen3-8B", False),
        ("http://localhost:11434/v1", "gpt-oss:20b", False),
        ("http://vllm:8000/v1", "meta-llama/Llama-3.3-70B-Instruct", False),
    ],
)
def test_the_endpoint_says_whose_price_it_is(endpoint: str, model: str, known: bool) -> None:
    assert (rates(model, endpoint) is not None) == known


def test_the_price_says_where_it_is_from() -> None:
    price = price_of("gpt-4.1-mini", {}, "https://api.openai.com/v1")
    assert price is not None
    assert price.stated.startswith("list price of OpenAI, genai-prices 0.")
    assert price.cached == 0.1


def test_a_name_alone_has_the_vendor_s_price_else_the_dearest() -> None:
    assert rates("claude-haiku-4-5", "https://api.quicksilverpro.io/v1") == (0.25, 1.25)
    assert rates("claude-haiku-4-5", "https://proxy.example.com/v1") == (1.0, 5.0)
    model = "meta-llama/Llama-3.3-70B-Instruct"
    shops = ("https://router.huggingface.co/nebius", "https://router.huggingface.co/nscale")
    sold = [price for shop in shops if (price := rates(model, shop))]
    assert len(sold) == 2
    dearest = rates(model, "https://proxy.example.com/v1")
    assert dearest is not None
    assert sum(dearest) >= max(map(sum, sold))


def test_flex_has_its_price_where_the_provider_says_so() -> None:
    openai = price_of("gpt-5.4", {}, "https://api.openai.com/v1")
    assert openai is not None
    assert openai.tiers["flex"].input == openai.input / 2
    assert openai.tiers["priority"].input > openai.input
    groq = price_of("openai/gpt-oss-120b", {}, "https://api.groq.com/openai/v1")
    assert groq is not None
    assert "flex" not in groq.tiers
    given = {"gpt-5.4": (1.0, 4.0)}
    assert price_of("gpt-5.4", given) == Price(1.0, 4.0)
    halved = price_of("gpt-5.4", given, "https://api.openai.com/v1")
    assert halved == Price(1.0, 4.0, tiers=dict.fromkeys(("flex", "batch"), Price(0.5, 2.0)))


def test_the_hour_and_the_day_count() -> None:
    price = listed_price("deepseek-v4-pro", "https://api.deepseek.com", date(2026, 11, 28))
    assert price is not None
    peak, night = (datetime(2026, 11, 28, hour, tzinfo=UTC) for hour in (2, 20))
    assert price.during(peak, peak).input == price.input == 1.32
    assert price.during(night, night).input == 0.66
    before = listed_price("deepseek-v4-pro", "https://api.deepseek.com", date(2026, 8, 1))
    assert before is not None
    assert before.during(night, night).input == 0.435


def test_the_command_starts_without_the_list() -> None:
    code = (
        "import sys\nfrom ruie.worker.cli import main\nsys.argv = ['ruie', '--version']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "assert 'genai_prices' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
