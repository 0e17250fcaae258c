"""What a provider's `x-ratelimit-*` headers say, and Anthropic's `anthropic-ratelimit-*`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


SHARE_OF_REST = 0.1
"""How much of what is left of an hour's or a day's limit may be used in a minute."""

TELLING_SHARE = 0.01
"""From so much of a limit on, the time until it is whole again tells how long it takes."""


@dataclass(frozen=True, slots=True)
class ProviderLimit:
    """One limit: `dimension` is "r" (requests), "i", "o" or "t" (tokens of the input, of the
    output, of both); amounts are for a minute.

    refill: what comes back in a minute. Where that is less than `limit`, a limit of an hour or a
    day is meant.
    """

    dimension: str
    limit: float
    remaining: float
    reset_s: float
    refill: float


def provider_limits(headers: Mapping[str, str]) -> list[ProviderLimit]:
    """The limits that the headers state; what is missing or unreadable is left out.

    A limit that takes longer than two minutes to refill is one of an hour or a day. How long it
    takes follows from what is used of it and when it will be whole again, unless so little is used
    that a rounded time says nothing. A tenth of what is left
    of it may be used in a minute, so that it lasts and does not slow down what it has room for.
    """
    limits = []
    for dimension, word in (("r", "requests"), ("t", "tokens")):
        limit = _number(headers.get(f"x-ratelimit-limit-{word}"))
        remaining = _number(headers.get(f"x-ratelimit-remaining-{word}"))
        reset_s = seconds(headers.get(f"x-ratelimit-reset-{word}"))
        if limit is None or remaining is None or reset_s is None or limit < 1:
            continue
        remaining = min(limit, max(0.0, remaining))
        used = limit - remaining
        tells = used >= limit * TELLING_SHARE or reset_s > 60.0
        period = reset_s * limit / used if used and tells else 60.0
        if period > 120.0:
            refill = limit * 60.0 / period
            most = max(1.0, refill, remaining * SHARE_OF_REST)
            # how much was used in this minute is not known
            limits.append(ProviderLimit(dimension, most, min(remaining, most), 60.0, refill))
        else:
            limits.append(ProviderLimit(dimension, limit, remaining, reset_s, limit))
    return limits or _anthropic(headers)


def _anthropic(headers: Mapping[str, str]) -> list[ProviderLimit]:
    """Limits of a minute, all of them, which fill up evenly. Tokens are counted apart; both
    together are stated too, for the closest of all limits.

    platform.claude.com/docs/en/api/rate-limits
    """
    limits = []
    kinds = {"r": "requests", "i": "input-tokens", "o": "output-tokens", "t": "tokens"}
    for dimension, kind in kinds.items():
        limit = _number(headers.get(f"anthropic-ratelimit-{kind}-limit"))
        remaining = _number(headers.get(f"anthropic-ratelimit-{kind}-remaining"))
        if limit is None or remaining is None or limit < 1:
            continue
        reset_s = _until(headers.get(f"anthropic-ratelimit-{kind}-reset"), headers.get("date"))
        limits.append(
            ProviderLimit(dimension, limit, min(limit, remaining), min(60.0, reset_s), limit)
        )
    return limits


def _until(moment: str | None, sent: str | None) -> float:
    """Seconds from the response to a moment, both by the server's clock: without its date the
    longest, a minute."""
    try:
        when = datetime.fromisoformat(moment or "")
        began = parsedate_to_datetime(sent or "")
        return max(0.0, (_zoned(when) - _zoned(began)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 60.0


def _zoned(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def seconds(text: str | None) -> float | None:
    """`6m0s`, `120ms`, `1.5` or `1h2m` as seconds; None where it is something else."""
    if not text:
        return None
    text = text.strip()
    parts = _SPAN.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return _number(text)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < 1e15 else None
