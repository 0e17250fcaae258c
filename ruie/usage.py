"""What one call of a model used and cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call.

    prompt: of the whole input. cached and cache_written are the parts of it that were read from the
    provider's cache, and written to it; cache_written_1h is the part of the latter that is to last
    an hour, which Anthropic charges more for. completion: of the whole output; reasoning is the
    part of it that the model thought and did not say. cost_usd: what the provider says that it
    charged, in US dollars; None where it does not say. service_tier: the tier that it says it
    charged for ("flex", "default"), or "". counted: False where the provider's count is missing or
    cannot be read, so that the call may have cost more than these tokens do.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    cache_written: int = 0
    reasoning: int = 0
    cost_usd: float | None = None
    service_tier: str = ""
    counted: bool = True
    cache_written_1h: int = 0

    @property
    def tokens(self) -> tuple[int, int]:
        """Of the input and of the output."""
        return self.prompt, self.completion

    def __add__(self, other: Usage) -> Usage:
        """Of two calls in the same tier."""
        costs = (self.cost_usd, other.cost_usd)
        return Usage(
            prompt=self.prompt + other.prompt,
            completion=self.completion + other.completion,
            cached=self.cached + other.cached,
            cache_written=self.cache_written + other.cache_written,
            reasoning=self.reasoning + other.reasoning,
            cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
            service_tier=self.service_tier,
            counted=self.counted and other.counted,
            cache_written_1h=self.cache_written_1h + other.cache_written_1h,
        )
