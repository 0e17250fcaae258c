"""The price of a model: by the setting `llm_prices`, else as `genai-prices` lists it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from ruie.token_prices import TokenPrices
from ruie.worker.prices.halved import with_halves
from ruie.worker.prices.price import Price

_VERSION = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{6}|\d{4}|\d{3}|latest)")
"""What may follow a known name: `-2025-04-14`, `-20251001`, `-001`, `-latest`. Never a word:
`gpt-4.1-mini` is not a `gpt-4.1`."""

Given = tuple[float, float] | TokenPrices


def price_of(model: str, given: Mapping[str, Given], endpoint: str = "") -> Price | None:
    """The price of a model at an endpoint (its base URL), or None where it is not known.

    given: the setting `llm_prices`, which takes precedence over the list. In it, a dated name
    (`gpt-4.1-mini-2025-04-14`) has the price of the longest name it begins with.
    """
    if not model:
        return None
    if name := _named(model, given):
        return with_halves(_given(given[name]), endpoint)
    from ruie.worker.prices.listed import listed_price  # its data takes a while to load

    today = datetime.now(UTC).date()
    base = _undated(model)
    return listed_price(model, endpoint, today) or (
        listed_price(base, endpoint, today) if base != model else None
    )


def _given(price: Given) -> Price:
    if isinstance(price, tuple):
        return Price(*price)
    stated = {"flex": price.flex, "batch": price.batch}
    tiers = {tier: _given(rates) for tier, rates in stated.items() if rates is not None}
    return Price(
        price.input,
        price.output,
        cached=price.cached,
        cache_write=price.cache_write,
        cache_write_1h=price.cache_write_1h,
        tiers=tiers,
    )


def _named(model: str, names: Iterable[str]) -> str | None:
    known = [n for n in names if model.startswith(n) and _VERSION.fullmatch(model[len(n) :])]
    return model if model in set(names) else max(known, key=len, default=None)


def _undated(model: str) -> str:
    """The name without its version."""
    starts = [m.start() for m in re.finditer("[-@]", model) if _VERSION.fullmatch(model, m.start())]
    return model[: starts[0]] if starts else model
