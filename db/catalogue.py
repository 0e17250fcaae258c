"""The tables and views that a user may query: what they hold, and their columns.

What they mean is in `catalogue.tsv`, which a test compares with docs/sql.md and with the models.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Literal, cast

from ruie.closest import closest_first, listed
from ruie.errors import DatabaseError


@dataclass(frozen=True, slots=True)
class Column:
    """type: `text`, `integer`, `real` or `JSON text`, as `ruie query` returns it."""

    name: str
    type: str
    nullable: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or a view. holds: a sentence on its rows."""

    name: str
    kind: Literal["table", "view"]
    holds: str
    columns: tuple[Column, ...]


@cache
def relations() -> dict[str, Relation]:
    """All of them by name, the views first, in the order of docs/sql.md."""
    source = Path(__file__).with_name("catalogue.tsv").read_text(encoding="utf-8")
    lines = [line.split("\t") for line in source.splitlines()]
    found: dict[str, Relation] = {}
    for name, part in groupby(lines, lambda line: line[0]):
        (_, _, kind, _, holds), *rest = part
        columns = tuple(
            Column(column, type_, null == "null", meaning)
            for _, column, type_, null, meaning in rest
        )
        found[name] = Relation(name, cast(Literal["table", "view"], kind), holds, columns)
    return found


def relation(name: str) -> Relation:
    """One of them. Raises `DatabaseError` that names the closest."""
    known = relations()
    if name in known:
        return known[name]
    near = closest_first(name, known)
    raise DatabaseError(
        f"There is no table or view {name}.",
        f"There are {listed(near)}; `ruie tables` lists them all.",
    )
