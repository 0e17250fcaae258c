"""Finishing items with answers that were paid for before, together with their records."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from ruie.db.argument_items import Answered, Roles, add_argument_items, lock_documents
from ruie.db.kept_answers import PaidExtraction
from ruie.db.leased_item import LeasedItem
from ruie.db.models import extractions
from ruie.db.record_rows import read_items
from ruie.db.results import FINISH, holds, store
from ruie.db.usage_columns import usage_columns
from ruie.errors import RuieError
from ruie.usage import Usage

# Locked until the transaction ends: its records are not pruned meanwhile (db/pruning/records.py).
_STILL_PAID = (
    select(extractions)
    .where(extractions.c.id == bindparam("extraction"), extractions.c.key == bindparam("key"))
    .with_for_update(read=True)
)


def reuse_result(
    conn: Connection, item: LeasedItem, paid: PaidExtraction, roles: Roles | None = None
) -> bool:
    """Finish the item with an existing result: `link_result` where it is of this chunk (and event),
    else `copy_result`. False: the lease was lost. Raises `AnswerPrunedError`."""
    if paid.chunk_id == item.chunk_id and paid.event_id == item.event_id:
        return link_result(conn, item, paid, roles)
    return copy_result(conn, item, paid, roles)


def link_result(
    conn: Connection, item: LeasedItem, paid: PaidExtraction, roles: Roles | None = None
) -> bool:
    """Finish the item with an extraction of the same chunk; for ED, add this job's EAE items of its
    events. False: the lease was lost. Raises `AnswerPrunedError`."""
    if not holds(conn, item):
        return False
    _hold_paid(conn, paid)
    answered = [Answered(item, paid.id, roles)]
    lock_documents(conn, answered)
    add_argument_items(conn, answered)
    FINISH.run(conn, [(item.id, paid.id)])
    return True


def copy_result(
    conn: Connection, item: LeasedItem, paid: PaidExtraction, roles: Roles | None = None
) -> bool:
    """Finish the item with a copy of an extraction of another chunk with the same text (or of
    another event): its records at this chunk's offsets, `reused_from` set, at no cost.
    False: the lease was lost. Raises `AnswerPrunedError`."""
    source = _hold_paid(conn, paid)
    values = dict(source._mapping) | {
        "job_id": item.job_id,
        "chunk_id": item.chunk_id,
        "event_id": item.event_id,
        "cost_usd": 0,
        **usage_columns(Usage()),
        "latency_s": 0.0,
        "reused_from": source.reused_from or source.id,
        "provider_batch_id": None,
        "mode": None,
    }
    for name in ("id", "created_at", "source", "review_id"):
        del values[name]
    items = read_items(conn, item.task, paid.id, paid.chunk_start)
    return store(conn, item, values, items, roles)


def _hold_paid(conn: Connection, paid: PaidExtraction) -> Row[Any]:
    """The extraction that was found under its key, if it still has its records."""
    source = conn.execute(_STILL_PAID, {"extraction": paid.id, "key": paid.key}).one_or_none()
    if source is None:
        raise AnswerPrunedError(
            "The records of the answer were pruned.", "The item is asked as one that is new."
        )
    return source


class AnswerPrunedError(RuieError):
    """The records of an answer went after it was found: the question is to be asked as one that is
    new, whose answer may still be kept."""
