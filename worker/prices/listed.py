"""Prices from `genai-prices`, a list of providers' prices that is a part of the installation.

Nothing is fetched: a price that changed since its release belongs in the setting `llm_prices`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time
from functools import lru_cache
from importlib.metadata import version
from urllib.parse import urlsplit

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from ruie.worker.prices.halved import halved, halves_batch, halves_flex
from ruie.worker.prices.price import Hours, Price, dearest


@lru_cache(maxsize=1000)
def listed_price(model: str, endpoint: str, day: date) -> Price | None:
    """The price that was listed for a day, or None.

    The provider is known by the endpoint's base URL. At an endpoint that is nobody's in the list (a
    proxy, say) a model costs what its vendor takes, else what the dearest provider does.
    """
    providers = get_snapshot().providers
    if known := [p for p in providers if endpoint and re.match(p.api_pattern, endpoint)]:
        return _dearest(known, model, endpoint, day, providers)
    vendors = [p for p in providers if p.model_match and p.model_match.is_match(model.lower())]
    if endpoint and _private(endpoint):
        # A model with weights that everybody may run has names like these, and costs nothing here.
        open_weights = "/" in model or ":" in model
        return None if open_weights else _dearest(vendors, model, endpoint, day)
    return _dearest(vendors, model, endpoint, day) or _dearest(providers, model, endpoint, day)


def _dearest(
    providers: list[Provider],
    model: str,
    endpoint: str,
    day: date,
    fallbacks: list[Provider] | None = None,
) -> Price | None:
    """fallbacks: providers whose models others offer too, at the same price."""
    found = [
        price
        for provider in providers
        if (entry := provider.find_model(model, all_providers=fallbacks))
        and (price := _price(entry, provider, endpoint, day))
    ]
    return max(found, key=lambda price: price.input + price.output, default=None)


def _private(endpoint: str) -> bool:
    """Whether an endpoint is on this machine or in its network."""
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))


def _price(entry: ModelInfo, provider: Provider, endpoint: str, day: date) -> Price | None:
    stated = f"list price of {provider.name}, genai-prices {version('genai-prices')}"
    hours = list(_by_hour(entry, day))
    if not hours:
        return None
    price = hours[0].price
    if len(hours) > 1:
        price = replace(dearest([h.price for h in hours]), hours=tuple(hours))
    tiers = {tier: rates for tier, rates in _tiers(entry, day) if rates != price}
    if batch := _variant(entry, {"processing": "batch"}, day):
        tiers["batch"] = batch
        if halves_flex(endpoint):
            tiers.setdefault("flex", batch)  # at the same prices
    elif halves_batch(endpoint):
        tiers["batch"] = halved(price)
    stated = f"list price of {provider.name}, genai-prices {version('genai-prices')}"
    return replace(price, tiers=tiers).said_by(stated)


def _by_hour(entry: ModelInfo, day: date) -> Iterator[Hours]:
    """What a model costs on a day: the whole day first, then the hours at which that differs."""
    prices = entry.prices
    if isinstance(prices, ModelPrice):
        prices = [ConditionalPrice(prices=prices)]
    moment = datetime.combine(day, time(12), UTC)
    begun = [
        index
        for index, each in enumerate(prices)
        if each.constraint is None
        or (isinstance(each.constraint, StartDateConstraint) and each.constraint.active(moment))
    ]
    for each in prices[max(begun, default=0) :]:
        if (price := _rates(each.prices)) is None:
            continue
        if isinstance(each.constraint, TimeOfDateConstraint):
            yield Hours(_utc(each.constraint.start_time), _utc(each.constraint.end_time), price)
        elif each is prices[max(begun, default=0)]:
            yield Hours(time(0), time(0), price)


def _tiers(entry: ModelInfo, day: date) -> Iterator[tuple[str, Price]]:
    """The service tiers that have prices of their own, and the speed "fast" of Anthropic."""
    for variant in entry.price_variants or ():
        if set(variant.when) in ({"service_tier"}, {"speed"}):
            (tier,) = variant.when.values()
            if price := _variant(entry, variant.when, day):
                yield tier, price


def _variant(entry: ModelInfo, when: dict[str, str], day: date) -> Price | None:
    moment = datetime.combine(day, time(12), UTC)
    known = any(
        variant.when == when and (variant.constraint is None or variant.constraint.active(moment))
        for variant in entry.price_variants or ()
    )
    return _rates(entry.get_prices(moment, when)) if known else None


def _rates(prices: ModelPrice) -> Price | None:
    """None for a model that is not charged by tokens in and out."""
    named = {name: value for name, value in vars(prices).items() if value is not None}
    if "input_mtok" not in named or "output_mtok" not in named:
        return None
    tiered = [value for value in named.values() if isinstance(value, TieredPrices)]
    lengths = sorted({tier.start for value in tiered for tier in value.tiers})
    return replace(_rates_of(named, 0), above=tuple((n, _rates_of(named, n + 1)) for n in lengths))


def _rates_of(named: dict[str, object], tokens: int) -> Price:
    """The rates of a prompt of so many tokens."""

    def rate(name: str) -> float | None:
        value = named.get(name)
        if isinstance(value, TieredPrices):
            longer = [tier.price for tier in value.tiers if tokens > tier.start]
            value = longer[-1] if longer else value.base
        return None if value is None else float(str(value))

    output, reasoning = rate("output_mtok"), rate("output_reasoning_mtok")
    return Price(
        rate("input_mtok") or 0.0,
        max(output or 0.0, reasoning or 0.0),
        cached=rate("cache_read_mtok"),
        cache_write=rate("cache_write_mtok"),
        cache_write_1h=rate("cache_write_1h_mtok"),
        call=(rate("requests_kcount") or 0.0) / 1000,
    )


def _utc(moment: time) -> time:
    """The same time of the day in UTC, without its zone."""
    if moment.tzinfo is None:
        return moment
    return datetime.combine(date(2000, 1, 1), moment).astimezone(UTC).time()
