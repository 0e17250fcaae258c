"""Samples of the limits that the fleet shares."""

from __future__ import annotations

from collections.abc import Iterable

from ruie.worker.limits.usage import LimitUsage
from ruie.worker.metrics.families import Families

TOKENS = {"i": "input", "o": "output", "t": "both"}
"""Which tokens each dimension of a limit counts."""


def add_limits(families: Families, usage: Iterable[LimitUsage]) -> None:
    """Only limits that apply have samples."""
    for each in usage:
        target = {"llm_endpoint": each.endpoint, "model": each.model}
        if (most := each.per_minute.get("r")) is not None:
            families.add("ruie_limit_requests_per_minute", most, **target)
            families.add("ruie_limit_requests_used", each.used["r"], **target)
        for dimension, tokens in TOKENS.items():
            if (most := each.per_minute.get(dimension)) is not None:
                families.add("ruie_limit_tokens_per_minute", most, **target, tokens=tokens)
                families.add(
                    "ruie_limit_tokens_used", each.used[dimension], **target, tokens=tokens
                )
        if each.most_in_flight:
            families.add("ruie_limit_calls_in_flight", each.most_in_flight, **target)
            families.add("ruie_limit_calls_in_flight_used", each.in_flight, **target)
        families.add("ruie_limit_pause_seconds", each.pause_s, **target)
        if each.ceiling_per_s is not None:
            families.add("ruie_limit_ceiling_requests_per_second", each.ceiling_per_s, **target)
        families.add("ruie_limit_admissions_total", each.admitted, **target)
        families.add("ruie_limit_wait_seconds_total", each.waited_s, **target)
