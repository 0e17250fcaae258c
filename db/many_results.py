"""Saving results, any number in one transaction, in a few statements and round trips for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Connection, Select, any_, bindparam, select
from sqlalchemy.dialects import postgresql

from ruie.db import spend
from ruie.db.argument_items import Answered, Roles, add_argument_items, lock_documents
from ruie.db.bulk import Bulk, Given, bulk_insert, pipelined
from ruie.db.canonical import add_names
from ruie.db.item_states import LEASED, LEASES
from ruie.db.leased_item import Lease, LeasedItem
from ruie.db.models import extractions, work_items
from ruie.db.record_rows import chunks_around, names_in, write_all_records
from ruie.db.results import CALL_COLUMNS, FINISH, NewExtraction, extraction_row, hold, save_result
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
    new = _add(conn, results)
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
    for result in results:  # answered meanwhile, or asked twice here, or its lease was lost
        if result.item.lease not in saved and save_result(
            conn, result.item, result.extraction, result.items, result.roles
        ):
            spend.refund(conn, result.refunds)
            saved.add(result.item.lease)
    return saved


def _add(conn: Connection, results: Sequence[Result]) -> list[tuple[Result, int]]:
    """Those that are new and whose leases still hold, with the ids of their extractions; their
    items are locked."""
    if fenced := conn.dialect.name == "postgresql":  # in the same statement, a round trip less
        candidates = results
    else:
        leases = hold(conn, [result.item for result in results])
        candidates = [result for result in results if result.item.lease in leases]
    by_key = {result._key: result for result in reversed(candidates)}  # the first of equal ones
    if not by_key:
        return []
    listed = [by_key[key] for key in sorted(by_key, key=lambda key: (key[0], key[1] or 0, key[2]))]
    made = [(each.item.lease, extraction_row(each.item, each.extraction)) for each in listed]
    if fenced:
        rows = [(*lease, *(row[name] for name in CALL_COLUMNS)) for lease, row in made]
        ids = [each.item.id for each in listed]
        added = _ADD_FENCED.run(conn, rows, {"held_items": ids})
    else:
        added = _ADD.run(conn, [[row[name] for name in CALL_COLUMNS] for _, row in made])
    return [(by_key[row.chunk_id, row.event_id, row.key], row.id) for row in added]


_RETURNED = ("id", "chunk_id", "event_id", "key")
_NOW = {"created_at": utcnow()}
_ADD = bulk_insert(extractions, CALL_COLUMNS, _NOW, skip=True, returning=_RETURNED)


def _fence(given: Given) -> Select[Any]:
    """Limits the rows to those of leases that still hold, and locks their items, in one order
    everywhere."""
    items = any_(bindparam("held_items", type_=ARRAY(BigInteger)))
    still = (
        select(work_items.c.id, work_items.c.fence)
        .where(work_items.c.id == items, work_items.c.state == LEASED)
        .order_by(work_items.c.id)
        .with_for_update()
        .cte("still")
    )
    values = select(*(given[name] for name in CALL_COLUMNS), *_NOW.values())
    return values.where(still.c.id == given["item"], still.c.fence == given["token"])


_ADD_FENCED = Bulk(
    {**LEASES, **{name: extractions.c[name].type for name in CALL_COLUMNS}},
    lambda given: (
        postgresql.insert(extractions)
        .from_select([*CALL_COLUMNS, *_NOW], _fence(given))
        .on_conflict_do_nothing()
        .returning(*(extractions.c[name] for name in _RETURNED))
    ),
)
