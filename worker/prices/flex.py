"""The service tier "flex": a call takes longer, and costs half where the provider says so."""

from __future__ import annotations

import re
from dataclasses import replace

from ruie.worker.prices.price import Price

_HALF = re.compile(
    r"https://(api\.openai\.com|generativelanguage\.googleapis\.com"
    r"|[^/]+\.(openai|services\.ai)\.azure\.com)(/|$)"
)


def halves_flex(endpoint: str) -> bool:
    """Whether the endpoint's provider documents that flex costs half.

    developers.openai.com/api/docs/guides/flex-processing (as batches do),
    learn.microsoft.com/azure/foundry/openai/how-to/flex-processing,
    ai.google.dev/gemini-api/docs/flex-inference
    """
    return _HALF.match(endpoint) is not None


def halved(price: Price) -> Price:
    """At half the price of each token."""
    return replace(
        price,
        input=price.input / 2,
        output=price.output / 2,
        cached=None if price.cached is None else price.cached / 2,
        cache_write=None if price.cache_write is None else price.cache_write / 2,
        cache_write_1h=None if price.cache_write_1h is None else price.cache_write_1h / 2,
        tiers={},
    )
