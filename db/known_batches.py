"""Batches whose ids at the provider are known, so that none of them is taken for another."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, select

from ruie.db.models import provider_batches
from ruie.db.provider_batches import ProviderBatch

EARLIER = timedelta(days=1)
"""A batch that was created so long before is not sought among those that are."""


def known_ids(conn: Connection, batch: ProviderBatch) -> frozenset[str]:
    """Ids of other batches at the same endpoint than this one."""
    query = select(provider_batches.c.provider_id).where(
        provider_batches.c.provider_id.is_not(None),
        provider_batches.c.endpoint == batch.endpoint,
        provider_batches.c.id != batch.id,
        provider_batches.c.created_at > batch.created_at - EARLIER,
    )
    return frozenset(conn.scalars(query))
