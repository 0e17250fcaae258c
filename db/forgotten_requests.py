"""Requests in batches at the provider whose documents are forgotten."""

from __future__ import annotations

from sqlalchemy import Connection, Select, String, cast, delete, literal, select, update

from ruie.db.models import provider_requests, work_items
from ruie.db.request_states import LATE

FORGOTTEN = "forgotten"
"""What takes the place of texts that may not be empty or null."""


def is_forgotten(key: str) -> bool:
    """Whether a key is that of such a request."""
    return key.startswith(FORGOTTEN)


def blank_requests(conn: Connection, of_chunks: Select[tuple[int]]) -> None:
    """Remove what they say. What they can cost stays reserved until their lines come; answers that
    came too late are booked already."""
    items = select(work_items.c.id).where(work_items.c.chunk_id.in_(of_chunks))
    of_documents = provider_requests.c.work_item_id.in_(items)
    conn.execute(
        update(provider_requests)
        .where(of_documents)
        .values(
            key=literal(f"{FORGOTTEN} ") + cast(provider_requests.c.id, String),
            body=b"",
            question=b"",
            answer=None,
        )
    )
    conn.execute(delete(provider_requests).where(of_documents, provider_requests.c.state == LATE))
