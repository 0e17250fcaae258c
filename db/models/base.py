"""What all tables share: the names of constraints, checks of a column's values, offsets."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import cast

from sqlalchemy import CheckConstraint, Index, MetaData, Table, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ruie.db.types import UtcDateTime, utcnow

# Named by rule, so that a migration can drop on both databases what it once made.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


class Created:
    """`created_at`: when the row was written, by the database's clock."""

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utcnow(), sort_order=100)


def table(model: type[Base]) -> Table:
    """A model's table: the hot paths are Core statements, which cost a fraction of a session."""
    return cast(Table, model.__table__)


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """The column holds one of `values`. A check and not an enum type: both databases have it."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def located(start: str, end: str, grounding: str = "grounding") -> CheckConstraint:
    """Offsets are both present and in order, or both null: then the span was not located."""
    return CheckConstraint(
        f"({start} IS NULL AND {end} IS NULL AND {grounding} = 'none')"
        f" OR ({start} >= 0 AND {end} >= {start})",
        name=start.replace("start", "located"),
    )


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the few rows a query looks for, not of the millions that are done."""
    return Index(
        name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where)
    )
