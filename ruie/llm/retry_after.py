"""How long the provider wants us to wait: the Retry-After header (RFC 9110, 10.2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_WAIT_S = 3600.0
"""Longer waits are cut: a wrong clock on the other side must not stop the work for days."""


def retry_after_seconds(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait, or None if the headers do not say.

    Reads `retry-after-ms`, and `retry-after` as seconds or as an HTTP date, or as LiteLLM passes
    them on. A date is by the server's clock: it is compared with the `date` of the response, or
    with `now` (default: this machine's clock) where that is missing.
    """
    passed_on = {
        name.removeprefix("llm_provider-"): value
        for name in ("llm_provider-retry-after-ms", "llm_provider-retry-after")
        if (value := headers.get(name)) is not None
    }
    headers = {**passed_on, **headers}
    if (wait := _number(headers.get("retry-after-ms"))) is not None:
        return min(wait / 1000, MAX_WAIT_S)
    value = headers.get("retry-after")
    if value is None:
        return None
    if (wait := _number(value)) is not None:
        return min(wait, MAX_WAIT_S)
    when = _date(value)
    if when is None:
        return None
    sent = _date(headers.get("date")) or now or datetime.now(UTC)
    return min(max(0.0, (when - sent).total_seconds()), MAX_WAIT_S)


def _date(value: str | None) -> datetime | None:
    try:
        when = parsedate_to_datetime(value) if value else None
    except (ValueError, TypeError, OverflowError):
        return None
    if when is not None and when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return when


def _number(value: str | None) -> float | None:
    try:
        wait = float(value) if value is not None else None
    except ValueError:
        return None
    return wait if wait is not None and 0 <= wait < float("inf") else None
