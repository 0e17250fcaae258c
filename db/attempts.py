"""Calls that failed, or whose answer could not be used."""

from __future__ import annotations

from sqlalchemy import Connection, insert

from ruie.db.leased_item import LeasedItem
from ruie.db.models import attempts
from ruie.db.usage_columns import usage_columns
from ruie.usage import Usage

ERROR_CHARS = 4000
"""Characters of an error's message that are kept."""
NO_USAGE = Usage()


def record_attempt(
    conn: Connection,
    item: LeasedItem,
    error: BaseException,
    *,
    model: str,
    endpoint: str,
    raw_output: str | None = None,
    usage: Usage = NO_USAGE,
    cost_usd: float | None = None,
    provider_batch_id: int | None = None,
) -> None:
    """Record a call that failed. endpoint: the base URL that was called. usage: as the provider
    counted it. provider_batch_id: the batch at the provider that it was in. In the transaction
    that ends the item."""
    conn.execute(
        insert(attempts).values(
            work_item_id=item.id,
            job_id=item.job_id,
            attempt=item.attempts,
            model=model,
            endpoint=endpoint,
            raw_output=raw_output,
            cost_usd=cost_usd,
            provider_batch_id=provider_batch_id,
            **usage_columns(usage),
            **error_columns(error),
        )
    )


def error_columns(error: BaseException) -> dict[str, str]:
    kind = getattr(error, "kind", type(error).__name__)
    return {"error_class": kind, "error": str(error)[:ERROR_CHARS]}
