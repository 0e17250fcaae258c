"""Endpoints that are away, and what was learned of models, as the commands show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ruie.db.endpoints import Away
from ruie.db.targets import ModelStanding


def away_line(away: Away) -> str:
    """Since when and why no call reaches an endpoint, and what happens next."""
    since = away.since.strftime("%Y-%m-%d %H:%M:%S")
    if away.trying:
        then = "A probe reached it; calls are tried one at a time."
    elif away.retry_in_s is not None:
        then = f"Nothing is sent; it is probed again in {away.retry_in_s:.0f} s."
    else:
        then = "Nothing is sent."
    return f"{away.endpoint} is away since {since} UTC: {away.reason} {then}"


def away_document(away: Away) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "endpoint": away.endpoint,
        "since": away.since.isoformat(),
        "reason": away.reason,
        "failures": away.failures,
        "retry_at": away.retry_at and away.retry_at.isoformat(),
        "trying": away.trying,
    }


def model_lines(models: Iterable[ModelStanding]) -> list[str]:
    """What was learned of each model, and how it was refused last; nothing where nothing was."""
    lines: dict[str, None] = {}
    for known in models:
        if known.description:
            lines[f"{known.model} at {known.endpoint}: {known.description} (learned)"] = None
        if known.refusals:
            times = "once" if known.refusals == 1 else f"{known.refusals} times in a row"
            lines[f"{known.model} at {known.endpoint} was refused {times}: {known.refusal}"] = None
    return list(lines)


def model_documents(models: Sequence[ModelStanding]) -> list[dict[str, Any]]:
    """The same as JSON."""
    return [
        {
            "endpoint": known.endpoint,
            "model": known.model,
            "learned": known.learned,
            "proven_at": known.proven_at and known.proven_at.isoformat(),
            "refusals": known.refusals,
            "refusal": known.refusal,
        }
        for known in models
    ]
