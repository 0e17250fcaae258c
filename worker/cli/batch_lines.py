"""Batches at the provider as the commands show them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ruie.db.provider_batches import ProviderBatch

ERROR_CHARS = 200


def batch_state(batch: ProviderBatch) -> str:
    """Its state, and what the provider calls it."""
    words = batch.state
    if batch.cancelling and batch.state in ("preparing", "submitting", "running"):
        words = "cancelling"
    if batch.state == "running" and batch.provider_state not in (None, "", "running"):
        words = f"{words} ({batch.provider_state})"
    return words if batch.doubles is None else f"{words}, doubles {batch.doubles}"


def batch_age(batch: ProviderBatch) -> str:
    """Since it was sent; "": it was not."""
    from ruie.worker.terminal import duration

    return "" if batch.since_s is None else duration(batch.since_s)


def batch_line(batch: ProviderBatch) -> str:
    """How it stands, in a line."""
    line = batch_state(batch)
    if batch.since_s is not None:
        line += f", sent {batch_age(batch)} ago"
    line += f": {batch.answered:,} of {batch.requests:,} requests answered"
    if batch.failed:
        line += f", {batch.failed:,} failed"
    if batch.error:
        line += f"; last error: {' '.join(batch.error.split())[:ERROR_CHARS]}"
    return line


def batch_document(batch: ProviderBatch) -> dict[str, Any]:
    """All that is known of it, as JSON."""
    return {name: value for name, value in asdict(batch).items() if name not in ("due", "since_s")}
