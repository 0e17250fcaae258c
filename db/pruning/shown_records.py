"""The records of extractions that no work item shows any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    Table,
    and_,
    cast,
    delete,
    func,
    literal,
    select,
    update,
)

from ruie.db.models import (
    entities,
    event_arguments,
    events,
    extractions,
    relations,
    work_items,
)
from ruie.db.pruning.parts import Cutoff, Found
from ruie.db.sql import in_ids

PRUNED = "pruned"
"""With its id, the key of an extraction whose records were pruned."""


SHOWN = (work_items.c.extraction_id, work_items.c.model_extraction_id)
RECORDS = "superseded records"


@dataclass(slots=True)
class LockedExtractions:
    """ids: extractions that this transaction holds. events: of each that detected some, their ids.
    about: of each event, the extractions of its arguments. busy: what a worker takes just now."""

    ids: set[int] = field(default_factory=set)
    events: dict[int, list[int]] = field(default_factory=dict)
    about: dict[int, list[int]] = field(default_factory=dict)
    busy: set[int] = field(default_factory=set)

    def held(self, item: Any) -> bool:
        """Whether all that an item shows is."""
        return item.extraction_id not in self.busy


def lock_extractions(conn: Connection, items: Sequence[Any]) -> LockedExtractions:
    """Lock what these items show, with all that is known of the events in it."""
    locked = LockedExtractions()
    wanted = {row.extraction_id for row in items} - {None}
    detected = select(events.c.id, events.c.extraction_id)
    for row in conn.execute(detected.where(in_ids(conn, events.c.extraction_id, wanted))):
        locked.events.setdefault(row.extraction_id, []).append(row.id)
    of_events = [event for listed in locked.events.values() for event in listed]
    asked = select(extractions.c.id, extractions.c.event_id)
    # its index is of the rows that have one
    about = in_ids(conn, extractions.c.event_id, of_events), extractions.c.event_id.is_not(None)
    for row in conn.execute(asked.where(*about)):
        locked.about.setdefault(row.event_id, []).append(row.id)
    everything = wanted | {each for listed in locked.about.values() for each in listed}
    lock = select(extractions.c.id).where(in_ids(conn, extractions.c.id, everything))
    lock = lock.order_by(extractions.c.id).with_for_update(key_share=True, skip_locked=True)
    locked.ids.update(conn.scalars(lock))
    locked.busy = everything - locked.ids
    for extraction, listed in locked.events.items():
        if any(each in locked.busy for event in listed for each in locked.about.get(event, ())):
            locked.busy.add(extraction)
    return locked


def thin(conn: Connection, cutoff: Cutoff, locked: LockedExtractions, gone: Sequence[Any]) -> Found:
    """Delete the records of the extractions that the items showed which are gone, where no other
    item shows them; and take their keys away."""
    candidates = {row.extraction_id for row in gone} - {None} - locked.busy
    unseen = candidates - _shown(conn, candidates)
    # arguments whose event goes are never shown, whatever asked for them
    unseen |= {
        each
        for extraction in unseen
        for event in locked.events.get(extraction, ())
        for each in locked.about.get(event, ())
    }
    found = Found()
    for table, condition in _of_extractions(conn, unseen):
        rows = conn.execute(delete(table).where(condition)).rowcount
        found.going(RECORDS, rows, cutoff.bytes(table, rows))
    without = update(extractions).where(in_ids(conn, extractions.c.id, unseen))
    conn.execute(without.values(key=literal(f"{PRUNED} ") + cast(extractions.c.id, String)))
    return found


def count_records(conn: Connection, cutoff: Cutoff, going: Sequence[Any]) -> Found:
    """Count the records that no item but these shows."""
    ids = {row.id for row in going}
    wanted = {row.extraction_id for row in going} - {None}
    shown: set[int] = set()
    for column in SHOWN:
        rows = conn.execute(
            select(work_items.c.id, column).where(in_ids(conn, column, wanted), column.is_not(None))
        )
        shown.update(extraction for item, extraction in rows if item not in ids)
    found = Found()
    for table, condition in _of_extractions(conn, wanted - shown):
        number = int(conn.execute(select(func.count()).where(condition)).scalar_one())
        found.going(RECORDS, number, cutoff.bytes(table, number))
    return found


def _shown(conn: Connection, ids: set[int]) -> set[int]:
    """Those that an item shows, or whose events an item asks about."""
    shown: set[int] = set()
    for column in SHOWN:
        listed = select(column).where(in_ids(conn, column, ids), column.is_not(None))
        shown.update(conn.scalars(listed))
    asked = (
        select(events.c.extraction_id)
        .join(work_items, work_items.c.event_id == events.c.id)
        .where(in_ids(conn, events.c.extraction_id, ids))
    )
    return shown | set(conn.scalars(asked))


def _of_extractions(conn: Connection, ids: set[int]) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """The tables with their records, in the order in which they can be deleted. Arguments have no
    index but by their events: those that were detected, and those that calls were made for."""
    detected = select(events.c.id).where(in_ids(conn, events.c.extraction_id, ids))
    asked = select(extractions.c.event_id).where(
        in_ids(conn, extractions.c.id, ids), extractions.c.event_id.is_not(None)
    )
    yield event_arguments, event_arguments.c.event_id.in_(detected)
    yield (
        event_arguments,
        and_(
            event_arguments.c.event_id.in_(asked),
            in_ids(conn, event_arguments.c.extraction_id, ids),
            event_arguments.c.event_id.not_in(detected),
        ),
    )
    for table in (entities, relations, events):
        yield table, in_ids(conn, table.c.extraction_id, ids)
