"""Saving results, any number in one transaction, in a few statements and round trips for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from sqlalchemy import Connection, bindparam, select

from ruie.db import spend
from ruie.db.argument_items import Answered, Roles, add_argument_items, lock_documents
from ruie.db.bulk import bulk_insert, pipelined
from ruie.db.canonical import add_names
from ruie.db.item_states import LEASED
from ruie.db.leased_item import Lease, LeasedItem
from ruie.db.models import extractions, work_items
from ruie.db.record_rows import chunks_around, names_in, write_all_records
from ruie.db.results import CALL_COLUMNS, FINISH, NewExtraction, extraction_row, save_result
from ruie.db.types import utcnow
from ruie.records import Item


@dataclass(frozen=True, slots=True)
class Result:
    """As the arguments of `save_result`. refunds: what is left of what was reserved for the call,
    by account."""

    item: LeasedItem
    extraction: NewExtraction
    items: Sequence[Item]
    roles: Roles | None = None
    refunds: Sequence[spend.Refund] = ()

    @property
    def _key(self) -> tuple[int, int | None, str]:
        return self.item.chunk_id, self.item.event_id, self.extraction.key


def save_results(conn: Connection, results: Sequence[Result]) -> set[Lease]:
    """Store the results and finish their items; returns the leases that still held.

    What two of these write is locked in the same order, so that they may wait for each other, but
    never deadlock: items, then extractions, then documents, then names.
    """
    rows = conn.execute(_HOLD, {"items": [result.item.id for result in results]})
    leases = {(row.id, row.fence) for row in rows}
    held = [result for result in results if result.item.lease in leases]
    added = _add(conn, held)
    new = [(r, added[r._key]) for r in held if r._key in added]
    others = chunks_around(conn, [(r.item, r.items) for r, _ in new])
    answered = [Answered(r.item, extraction, r.roles) for r, extraction in new]
    lock_documents(conn, answered)
    with pipelined(conn):
        write_all_records(conn, [(r.item, extraction, r.items) for r, extraction in new], others)
        add_argument_items(conn, answered)
        if new:
            FINISH.run(conn, [(r.item.id, extraction) for r, extraction in new])
        add_names(conn, chain.from_iterable(names_in(r.item.task, r.items) for r, _ in new))
        spend.refund(conn, chain.from_iterable(r.refunds for r, _ in new))
    saved = {result.item.lease for result, _ in new}
    for result in held:  # answered meanwhile, or asked twice here
        if result.item.lease not in saved and save_result(
            conn, result.item, result.extraction, result.items, result.roles
        ):
            spend.refund(conn, result.refunds)
            saved.add(result.item.lease)
    return saved


def _add(conn: Connection, held: Sequence[Result]) -> dict[tuple[int, int | None, str], int]:
    """The new extractions by chunk, event and key."""
    rows = {result._key: result for result in reversed(held)}  # the first of equal ones
    listed = sorted(rows, key=lambda key: (key[0], key[1] or 0, key[2]))
    values = [extraction_row(rows[key].item, rows[key].extraction) for key in listed]
    if not values:
        return {}
    added = _ADD.run(conn, [[row[name] for name in CALL_COLUMNS] for row in values])
    return {(row.chunk_id, row.event_id, row.key): row.id for row in added}


_HOLD = (
    select(work_items.c.id, work_items.c.fence)
    .where(work_items.c.id.in_(bindparam("items", expanding=True)), work_items.c.state == LEASED)
    .order_by(work_items.c.id)
    .with_for_update()
)
_ADD = bulk_insert(
    extractions,
    CALL_COLUMNS,
    {"created_at": utcnow()},
    skip=True,
    returning=("id", "chunk_id", "event_id", "key"),
)
