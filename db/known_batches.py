"""By what a batch is found again at a provider that keeps no token of it: how many requests it has,
and which others are known, so that none of them is taken for it; and what was found besides it."""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy import Connection, insert, select, update

from ruie.db.models import provider_batches
from ruie.db.provider_batches import RUNNING, ProviderBatch, begin_create
from ruie.db.types import utcnow

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


def add_double(conn: Connection, batch: ProviderBatch, provider_id: str) -> bool:
    """The provider made two of one: the second is to be cancelled, and what it costs to be booked.
    False: it is known."""
    known = select(provider_batches.c.id).where(provider_batches.c.provider_id == provider_id)
    if conn.execute(known).first() is not None:
        return False
    conn.execute(
        insert(provider_batches).values(
            token=secrets.token_hex(12),
            endpoint=batch.endpoint,
            model=batch.model,
            scope=batch.scope,
            state=RUNNING,
            provider_id=provider_id,
            doubles=batch.id,
            cancelling=True,
            submitted_at=utcnow(),
        )
    )
    return True
