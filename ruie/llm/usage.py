"""Reads how many tokens a call used, as the provider counted them, and what it says it charged.

Every provider has a form of its own, and none is trusted: what is not a plausible number counts as
missing, and a usage that contradicts itself is read as the dearer of what it may mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ruie.usage import Usage

MAX_TOKENS = 100_000_000
"""No call has more: a greater count is not one."""
MAX_COST_USD = 1000.0
"""No call costs more: a greater cost is not one, or not in US dollars."""


def read_usage(answer: object) -> Usage:
    """The usage that a response states, with 0 for what is missing. Never raises."""
    body = _object(answer)
    usage = _object(body.get("usage")) or _object(_object(body.get("x_groq")).get("usage"))
    stated = _Counts(usage)
    cached = stated.most(*CACHED)
    written = stated.most(*CACHE_WRITTEN)
    # Each time to live has a count of its own: the sum is what was written.
    # platform.claude.com/docs/en/build-with-claude/prompt-caching
    written = max(written, sum(stated.most(path) for path in CACHE_WRITTEN_PARTS))
    lasting = min(written, stated.most(CACHE_WRITTEN_PARTS[1]))
    reasoning = stated.most(*REASONING)
    completion = stated.first(("completion_tokens",), ("output_tokens",))
    prompt, output = _prompt(stated, cached + written), completion or 0
    rest = stated.most(("total_tokens",)) - prompt - output
    if 0 < rest == cached + written:  # a prompt without its cached tokens, as Anthropic counts
        prompt += rest
    elif rest > 0:
        # Tokens of neither: what Gemini and xAI call thinking, which is charged as output.
        # docs.x.ai/docs/guides/reasoning, ai.google.dev/gemini-api/docs/thinking
        output += rest
        reasoning = max(reasoning, rest)
    if reasoning > output:
        output += reasoning
    if cached + written > prompt:
        prompt += cached + written
    return Usage(
        prompt=prompt,
        completion=output,
        cached=cached,
        cache_written=written,
        reasoning=reasoning,
        cost_usd=_cost_usd(usage),
        service_tier=_fast(usage)
        or _tier(body.get("service_tier"))
        or _tier(usage.get("service_tier")),
        counted=stated.readable and prompt > 0 and completion is not None,
        cache_written_1h=lasting,
    )


Path = tuple[str, ...]
CACHED: tuple[Path, ...] = (
    # OpenAI, Groq, xAI, OpenRouter, Gemini, vLLM
    # developers.openai.com/api/docs/guides/prompt-caching
    ("prompt_tokens_details", "cached_tokens"),
    ("input_tokens_details", "cached_tokens"),
    ("prompt_cache_hit_tokens",),  # api-docs.deepseek.com/guides/kv_cache
    ("cache_read_input_tokens",),  # platform.claude.com/docs/en/api/messages
    ("cached_tokens",),  # Moonshot, Together
    ("num_cached_tokens",),  # docs.mistral.ai/api
)
CACHE_WRITTEN: tuple[Path, ...] = (
    # OpenAI, and openrouter.ai/docs/use-cases/usage-accounting
    ("prompt_tokens_details", "cache_write_tokens"),
    ("input_tokens_details", "cache_write_tokens"),
    ("prompt_tokens_details", "cache_creation_tokens"),
    ("cache_creation_input_tokens",),
)
CACHE_WRITTEN_PARTS: tuple[Path, ...] = (
    ("cache_creation", "ephemeral_5m_input_tokens"),
    ("cache_creation", "ephemeral_1h_input_tokens"),
)
REASONING: tuple[Path, ...] = (
    ("completion_tokens_details", "reasoning_tokens"),
    ("output_tokens_details", "reasoning_tokens"),
    ("output_tokens_details", "thinking_tokens"),
    ("reasoning_tokens",),
)


def _prompt(stated: _Counts, cached: int) -> int:
    """Tokens of the whole input."""
    prompt = stated.most(("prompt_tokens",))
    if missed := stated.most(("prompt_cache_miss_tokens",)):  # with the hits, DeepSeek's prompt
        prompt = max(prompt, missed + stated.most(("prompt_cache_hit_tokens",)))
    own = stated.most(("input_tokens",))
    if stated.has("cache_read_input_tokens") or stated.has("cache_creation_input_tokens"):
        own += cached if own else 0  # Anthropic's own form: the input that no cache had to do with
    return max(prompt, own)


class _Counts:
    """The numbers of a usage object. readable: whether each that was there was a count."""

    def __init__(self, usage: Mapping[str, Any]) -> None:
        self._usage = usage
        self.readable = True

    def has(self, name: str) -> bool:
        return self._usage.get(name) is not None

    def first(self, *paths: Path) -> int | None:
        """The first that is there, or None."""
        return next((n for path in paths if (n := self._count(path)) is not None), None)

    def most(self, *paths: Path) -> int:
        """The greatest of them; 0 where there is none."""
        return max((self._count(path) or 0 for path in paths), default=0)

    def _count(self, path: Path) -> int | None:
        value: object = self._usage
        for name in path:
            if not value:  # an empty list stands for an empty object where the server is in PHP
                return None
            if not isinstance(value, dict):
                self.readable = False
                return None
            value = value.get(name)
        if value is None:
            return None
        count = _number(value, MAX_TOKENS)
        if count is None or count != int(count):
            self.readable = False
            return None
        return int(count)


def _cost_usd(usage: Mapping[str, Any]) -> float | None:
    ticks = _money(usage.get("cost_in_usd_ticks"), 10**10)  # docs.x.ai/developers/cost-tracking
    if ticks is not None:
        return ticks
    cost = usage.get("cost")
    if isinstance(cost, dict):  # docs.perplexity.ai/api-reference/chat-completions-post
        cost = cost.get("total_cost")
    charged = _money(cost)
    if charged is None:
        return None
    # With a key of one's own, OpenRouter's charge is a fee beside what the provider charges.
    # openrouter.ai/docs/use-cases/byok
    upstream = _money(_object(usage.get("cost_details")).get("upstream_inference_cost")) or 0.0
    own_key = usage.get("is_byok")
    if own_key is True or (own_key is not False and upstream > charged):
        charged += upstream
    return charged


def _money(value: object, unit: int = 1) -> float | None:
    amount = _number(value, MAX_COST_USD * unit)
    return None if amount is None else amount / unit


def _number(value: object, most: float) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value <= most else None


def _fast(usage: Mapping[str, Any]) -> str:
    """Anthropic's faster, dearer mode: platform.claude.com/docs/en/build-with-claude/fast-mode"""
    return "fast" if usage.get("speed") == "fast" else ""


def _tier(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= 32 else ""


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
