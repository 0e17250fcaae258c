"""What costs half where the provider says so: the service tier "flex", and calls in batches."""

from __future__ import annotations

import re
from dataclasses import replace

from ruie.worker.prices.price import Price

_FLEX = re.compile(
    r"https://(api\.openai\.com|generativelanguage\.googleapis\.com"
    r"|[^/]+\.(openai|services\.ai)\.azure\.com)(/|$)"
)
_BATCH = re.compile(
    _FLEX.pattern + r"|https://(api\.(groq|anthropic|mistral|together)\.(com|ai|xyz))(/|$)"
)


def halves_flex(endpoint: str) -> bool:
    """Whether the endpoint's provider documents that flex costs half.

    developers.openai.com/api/docs/guides/flex-processing (as batches do),
    learn.microsoft.com/azure/foundry/openai/how-to/flex-processing,
    ai.google.dev/gemini-api/docs/flex-inference
    """
    return _FLEX.match(endpoint) is not None


def halves_batch(endpoint: str) -> bool:
    """Whether the endpoint's provider documents that calls in batches cost half.

    developers.openai.com/api/docs/guides/batch, console.groq.com/docs/batch,
    platform.claude.com/docs/en/build-with-claude/batch-processing,
    docs.mistral.ai/capabilities/batch, docs.together.ai/docs/batch-inference
    """
    return _BATCH.match(endpoint) is not None


def with_halves(price: Price, endpoint: str) -> Price:
    """With the tiers that cost half there, where they have no price of their own."""
    tiers = dict(price.tiers)
    if halves_flex(endpoint):
        tiers.setdefault("flex", halved(price))
    if halves_batch(endpoint):
        tiers.setdefault("batch", halved(price))
    return replace(price, tiers=tiers)


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
