"""Canonical names: one row a key, created with the first mention, and a person's own mapping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, false, or_, select, update

from ruie.db.bulk import bulk_insert
from ruie.db.models import canonical
from ruie.db.sql import changed
from ruie.db.types import storable
from ruie.names import LONGEST, name_key


@dataclass(frozen=True, slots=True)
class Name:
    """A key, the spelling seen first, the canonical name, and whether a person set it."""

    key: str
    seen: str
    name: str
    mapped: bool


# An existing name is left as it is, without a lock on it.
_ADD = bulk_insert(canonical, ("key", "seen", "name"), {"mapped": false()}, skip=True)


def add_names(conn: Connection, spellings: Iterable[str]) -> None:
    """Add a row for each name that has none."""
    seen: dict[str, str] = {}
    for spelling in spellings:
        spelling = storable(spelling)
        seen.setdefault(name_key(spelling), _shown(spelling))
    if seen:
        # In one order everywhere, so that two that add the same names wait, but never deadlock.
        _ADD.run(conn, [(key, shown, shown) for key, shown in sorted(seen.items())])


def _shown(spelling: str) -> str:
    return " ".join(spelling.split())[:LONGEST]


def map_names(conn: Connection, mapping: Mapping[str, str]) -> int:
    """Map each spelling, and all others with its key, to a canonical name. The name's own key is
    mapped to it too, however it was spelled first. Returns the number of keys that changed."""
    shown = {storable(spelling): _shown(storable(name)) for spelling, name in mapping.items()}
    wanted = {name_key(name): name for name in shown.values()}
    wanted |= {name_key(spelling): name for spelling, name in shown.items()}
    add_names(conn, [*shown.values(), *shown])
    count = 0
    for key, name in sorted(wanted.items()):
        of_key = update(canonical).where(
            canonical.c.key == key,
            or_(canonical.c.name != name, canonical.c.mapped.is_(False)),
        )
        count += changed(conn, of_key.values(name=name, mapped=True))
    return count


def unmap_names(conn: Connection, spellings: Iterable[str]) -> int:
    """Undo the mapping: the canonical name is the spelling seen first again. Returns how many had
    been mapped."""
    back = update(canonical).values(name=canonical.c.seen, mapped=False)
    return sum(
        changed(
            conn, back.where(canonical.c.key == name_key(storable(s)), canonical.c.mapped.is_(True))
        )
        for s in spellings
    )


def list_names(
    conn: Connection, prefix: str = "", *, mapped: bool = False, limit: int | None = None
) -> Iterator[Name]:
    """Names by key. prefix: of the spelling, in any case. mapped: only those a person mapped."""
    query = select(canonical.c.key, canonical.c.seen, canonical.c.name, canonical.c.mapped)
    if prefix:
        start = name_key(storable(prefix))
        # a range, for which both databases use the key's index
        query = query.where(canonical.c.key >= start, canonical.c.key < start + "\U0010ffff")
    if mapped:
        query = query.where(canonical.c.mapped.is_(True))
    for row in conn.execute(query.order_by(canonical.c.key).limit(limit)):
        yield Name(*row)
