"""What a model's tokens cost: by the setting `llm_prices`, else by the list below.

The list holds only prices from vendors' own pages, as of `AS_OF`. Prices change: one that must be
right belongs in the setting. Where a vendor has several prices for a model the list has the
highest, so that a cap holds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

AS_OF = "2026-11-22"
"""The day the list was written, from copies of the vendors' pages that were up to a few months
old."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens."""

    input: float
    output: float
    stated: str = field(default="RUIE_LLM_PRICES", compare=False)
    """Where the price is from."""


LISTED: dict[str, Price] = {
    # platform.claude.com, the pricing page and the pages of the models
    "claude-haiku-4-5": Price(1.0, 5.0),
    # api-docs.deepseek.com, at peak hours and without its cache; off-peak is half of it
    "deepseek-flash": Price(0.30, 1.20),
    "deepseek-v4-pro": Price(1.32, 3.96),
}

_VERSION = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{6}|\d{4}|\d{3}|latest)")
"""What may follow a known name: `-2025-04-14`, `-20251001`, `-001`, `-latest`. Never a word:
`gpt-4.1-mini` is not a `gpt-4.1`."""


def price_of(model: str, given: Mapping[str, tuple[float, float]]) -> Price | None:
    """The price of a model, or None where it is not known.

    given: the setting `llm_prices`, which takes precedence over the list. In both, a dated name
    (`gpt-4.1-mini-2025-04-14`) has the price of the longest name it begins with.
    """
    if name := _named(model, given):
        return Price(*given[name])
    if name := _named(model, LISTED):
        return replace(LISTED[name], stated=f"list price, as known on {AS_OF}")
    return None


def _named(model: str, prices: Mapping[str, object]) -> str | None:
    if model in prices:
        return model
    known = [n for n in prices if model.startswith(n) and _VERSION.fullmatch(model[len(n) :])]
    return max(known, key=len, default=None)


def cost_nusd(price: Price, prompt_tokens: int, completion_tokens: int) -> int:
    """What a call costs, in whole billionths of a US dollar, rounded up."""
    # A dollar for a million tokens is 1,000 billionths for each. As decimals: the float 0.15 is a
    # little less than 0.15, and times 1,000 tokens a little more.
    dollars_per_million = (
        Decimal(str(price.input)) * prompt_tokens + Decimal(str(price.output)) * completion_tokens
    )
    return math.ceil(dollars_per_million * 1000)
