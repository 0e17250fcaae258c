"""By what a batch is found again at a provider that keeps no token of it: how many requests it has,
and which others are known, so that none of them is taken for it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, select, update

from ruie.db.models import provider_batches
from ruie.db.provider_batches import ProviderBatch, begin_create

EARLIER = timedelta(days=1)
"""A batch that was created so long before is not sought among those that are."""


def announce(conn: Connection, batch_id: int, requests: int) -> bool:
    """The provider is about to be asked for a batch of so many requests: of documents that were
    forgotten since it was put together there are none."""
    if not begin_create(conn, batch_id):
        return False
    this = provider_batches.c.id == batch_id
    conn.execute(update(provider_batches).where(this).values(requests=requests))
    return True


def known_ids(conn: Connection, batch: ProviderBatch) -> frozenset[str]:
    """Ids of other batches at the same endpoint than this one."""
    query = select(provider_batches.c.provider_id).where(
        provider_batches.c.provider_id.is_not(None),
        provider_batches.c.endpoint == batch.endpoint,
        provider_batches.c.id != batch.id,
        provider_batches.c.created_at > batch.created_at - EARLIER,
    )
    return frozenset(conn.scalars(query))
