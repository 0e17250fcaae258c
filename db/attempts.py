"""Calls that failed, or whose answer could not be used."""

from __future__ import annotations

from sqlalchemy import Connection, insert

from ruie.db.leased_item import LeasedItem
from ruie.db.models import attempts

ERROR_CHARS = 4000
"""Characters of an error's message that are kept."""


def record_attempt(
    conn: Connection,
    item: LeasedItem,
    error: BaseException,
    *,
    model: str,
    endpoint: str,
    raw_output: str | None = None,
    tokens: tuple[int, int] = (0, 0),
    cost_usd: float | None = None,
) -> None:
    """Record a call that failed. endpoint: the base URL that was called. tokens: of
    the prompt and of the answer, as the provider counted them. In the transaction that ends the
    item."""
    conn.execute(
        insert(attempts).values(
            work_item_id=item.id,
            job_id=item.job_id,
            attempt=item.attempts,
            model=model,
            endpoint=endpoint,
            raw_output=raw_output,
            prompt_tokens=tokens[0],
            completion_tokens=tokens[1],
            cost_usd=cost_usd,
            **error_columns(error),
        )
    )


def error_columns(error: BaseException) -> dict[str, str]:
    kind = getattr(error, "kind", type(error).__name__)
    return {"error_class": kind, "error": str(error)[:ERROR_CHARS]}
