"""What a call costs, in whole billionths of a US dollar, rounded up."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from ruie.llm import Call, Usage
from ruie.worker.prices.price import Price

MESSAGE_BYTES = 16
"""Added to each message for the chat template around it."""


def cost_nusd(
    price: Price,
    prompt_tokens: int,
    completion_tokens: int,
    *,
    cached: int = 0,
    cache_written: int = 0,
    cache_written_1h: int = 0,
    tier: str = "",
) -> int:
    """What a call costs whose prompt has so many tokens, of which some were read from the
    provider's cache and some written to it, and of these some for an hour."""
    charged = price.charged(prompt_tokens, tier)
    # A dollar for a million tokens is 1,000 billionths for each. As decimals: the float 0.15 is a
    # little less than 0.15, and times 1,000 tokens a little more.
    dollars_per_million = (
        _decimal(charged.input) * (prompt_tokens - cached - cache_written)
        + _decimal(charged.cached_rate) * cached
        + _decimal(charged.cache_write_rate) * (cache_written - cache_written_1h)
        + _decimal(charged.cache_write_1h_rate) * cache_written_1h
        + _decimal(charged.output) * completion_tokens
        + _decimal(charged.call) * 1_000_000
    )
    return math.ceil(dollars_per_million * 1000)


def usage_nusd(
    price: Price | None, usage: Usage, latency_s: float = 0.0, *, tier: str = ""
) -> int | None:
    """What a call that has just ended cost; None where nobody says.

    What the provider says that it charged takes precedence over a price. tier: in place of the one
    that it says.
    """
    if usage.cost_usd is not None:
        return math.ceil(_decimal(usage.cost_usd) * 1_000_000_000)
    if price is None:
        return None
    now = datetime.now(UTC)
    return cost_nusd(
        price.during(now - timedelta(seconds=latency_s), now),
        usage.prompt,
        usage.completion,
        cached=usage.cached,
        cache_written=usage.cache_written,
        cache_written_1h=usage.cache_written_1h,
        tier=tier or usage.service_tier,
    )


def most_nusd(price: Price, call: Call) -> int:
    """The most a call can cost, whatever the provider's cache holds or keeps. No tokenizer makes
    more tokens than a text has bytes."""
    prompt = sum(
        len(message["content"].encode("utf-8", "replace")) + MESSAGE_BYTES
        for message in call.messages
    )
    if call.response_format is not None:  # it goes into the prompt too
        prompt += len(json.dumps(call.response_format))
    written_for_hours = '"1h"' in json.dumps(call.parameters.get("cache_control"))
    tier = call.parameters.get("speed") or call.parameters.get("service_tier", "")
    most = 0
    for possible in price.possible(prompt, str(tier)):
        rates = [possible.input, possible.cached_rate, possible.cache_write_rate]
        rates += [possible.cache_write_1h_rate] if written_for_hours else []
        dollars_per_million = (
            _decimal(max(rates)) * prompt
            + _decimal(possible.output) * call.max_tokens
            + _decimal(possible.call) * 1_000_000
        )
        most = max(most, math.ceil(dollars_per_million * 1000))
    return most


def _decimal(amount: float) -> Decimal:
    return Decimal(str(amount))
