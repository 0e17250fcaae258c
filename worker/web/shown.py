"""How values are written on the pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ruie.secrets import without_credentials


def number(value: float | None) -> str:
    """`12,345`; of fractions, as many digits as say something."""
    if value is None:
        return "–"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"


def usd(value: float | None) -> str:
    """`1.2345 USD`."""
    return "–" if value is None else f"{value:,.4f} USD"


def share(value: float | None) -> str:
    """`12.3 %`."""
    return "–" if value is None else f"{100 * value:.1f} %"


def moment(value: datetime | None) -> str:
    """`2026-03-01 12:00:00`, UTC."""
    if value is None:
        return "–"
    utc = value.astimezone(UTC) if value.tzinfo else value
    return f"{utc:%Y-%m-%d %H:%M:%S}"


def duration(seconds: float | None) -> str:
    """`45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h"


def pretty(value: Any) -> str:
    """A value as indented JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def shortened(text: str, most: int) -> str:
    """At most so many characters of a text."""
    return text if len(text) <= most else f"{text[:most]}…"


def day(value: datetime) -> str:
    """`2026-03-01`."""
    return f"{value:%Y-%m-%d}"


FILTERS: dict[str, Callable[..., Any]] = {
    "number": number,
    "usd": usd,
    "share": share,
    "moment": moment,
    "day": day,
    "duration": duration,
    "without_credentials": without_credentials,
    "pretty": pretty,
    "shortened": shortened,
}
