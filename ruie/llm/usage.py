"""How many tokens a call used, as the provider counted them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call.

    prompt: of the whole input. cached and cache_written are the parts of it that were read from the
    provider's cache, and written to it. completion: of the whole output; reasoning is the part of
    it that the model thought and did not say.
    """

    prompt: int
    completion: int
    cached: int = 0
    cache_written: int = 0
    reasoning: int = 0


def read_usage(answer: Mapping[str, Any]) -> Usage:
    """The usage that a response states; 0 where it is missing or not a number."""
    stated = answer.get("usage")
    return Usage(_count(stated, "prompt_tokens"), _count(stated, "completion_tokens"))


def _count(usage: object, name: str) -> int:
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and count > 0 else 0
