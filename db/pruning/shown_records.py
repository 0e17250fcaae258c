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
from ruie.db.pruning.parts import Found, row_bytes
from ruie.db.sql import pieces

PRUNED = "pruned"
"""With its id, the key of an extraction whose records were pruned."""


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
    wanted = {row.extraction_id for row in items if row.extraction_id}
    for some in pieces(sorted(wanted)):
        detected = select(events.c.id, events.c.extraction_id).where(
            events.c.extraction_id.in_(some)
        )
        for row in conn.execute(detected):
            locked.events.setdefault(row.extraction_id, []).append(row.id)
    of_events = [event for listed in locked.events.values() for event in listed]
    for some in pieces(of_events):
        asked = select(extractions.c.id, extractions.c.event_id).where(
            extractions.c.event_id.in_(some)
        )
        for row in conn.execute(asked):
            locked.about.setdefault(row.event_id, []).append(row.id)
    everything = wanted | {each for listed in locked.about.values() for each in listed}
    for some in pieces(sorted(everything)):
        lock = select(extractions.c.id).where(extractions.c.id.in_(some))
        lock = lock.order_by(extractions.c.id)
        lock = lock.with_for_update(key_share=True, skip_locked=True)
        locked.ids.update(conn.scalars(lock))
    locked.busy = everything - locked.ids
    for extraction, listed in locked.events.items():
        if any(each in locked.busy for event in listed for each in locked.about.get(event, ())):
            locked.busy.add(extraction)
    return locked


def thin(
    conn: Connection,
    locked: LockedExtractions,
    gone: Sequence[Any],
    found: Found,
    what: str,
) -> None:
    """Delete the records of the extractions that the items showed which are gone, where no other
    item shows them; and take their keys away."""
    candidates = {row.extraction_id for row in gone if row.extraction_id} - locked.busy
    unseen = candidates - _shown(conn, candidates)
    # arguments whose event goes are never shown, whatever asked for them
    about = {
        each
        for extraction in unseen
        for event in locked.events.get(extraction, ())
        for each in locked.about.get(event, ())
    }
    for some in pieces(sorted(unseen | about)):
        _delete_records(conn, some, found, what)
        conn.execute(
            update(extractions)
            .where(extractions.c.id.in_(some))
            .values(key=literal(f"{PRUNED} ") + cast(extractions.c.id, String))
        )


def _shown(conn: Connection, ids: set[int]) -> set[int]:
    """Those that an item shows, or whose events an item asks about."""
    shown: set[int] = set()
    for some in pieces(sorted(ids)):
        for column in (work_items.c.extraction_id, work_items.c.model_extraction_id):
            shown.update(conn.scalars(select(column).where(column.in_(some))))
        asked = (
            select(events.c.extraction_id)
            .join(work_items, work_items.c.event_id == events.c.id)
            .where(events.c.extraction_id.in_(some))
        )
        shown.update(conn.scalars(asked))
    return shown


def _delete_records(conn: Connection, ids: Sequence[int], found: Found, what: str) -> None:
    for table, condition in _of_extractions(ids):
        rows = conn.execute(delete(table).where(condition)).rowcount
        found.going(what, rows, rows * row_bytes(conn, table))


def count_records(conn: Connection, ids: Sequence[int], found: Found, what: str) -> None:
    """Count the records of extractions that nothing else shows."""
    for table, condition in _of_extractions(ids):
        rows = int(conn.execute(select(func.count()).where(condition)).scalar_one())
        found.going(what, rows, rows * row_bytes(conn, table))


def _of_extractions(ids: Sequence[int]) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """The tables with their records, in the order in which they can be deleted. Arguments have no
    index but by their events: those that were detected, and those that calls were made for."""
    detected = select(events.c.id).where(events.c.extraction_id.in_(ids))
    asked = select(extractions.c.event_id).where(
        extractions.c.id.in_(ids), extractions.c.event_id.is_not(None)
    )
    yield event_arguments, event_arguments.c.event_id.in_(detected)
    yield (
        event_arguments,
        and_(event_arguments.c.event_id.in_(asked), event_arguments.c.extraction_id.in_(ids),
             event_arguments.c.event_id.not_in(detected)),
    )  # fmt: skip  # one condition
    for table in (entities, relations, events):
        yield table, table.c.extraction_id.in_(ids)
