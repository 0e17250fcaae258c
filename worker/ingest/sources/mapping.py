"""Which columns of a source are a document's text, id and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from ruie.worker.ingest.metadata import MAX_DIGITS


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Names of columns. metadata: None for all others."""

    text: str = "text"
    id: str = "id"
    metadata: tuple[str, ...] | None = None

    def rename(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row with its columns named `text` and `id`. Other columns of those names are dropped:
        they would be taken for the mapped ones."""
        if self == DEFAULT:
            return dict(row)
        others = (k for k in row if k not in (self.text, self.id, "text", "id"))
        names = others if self.metadata is None else (k for k in self.metadata if k in row)
        renamed = {k: row[k] for k in names if k not in ("text", "id")}
        if self.text in row:
            renamed["text"] = row[self.text]
        if self.id in row:
            renamed["id"] = row[self.id]
        return renamed


DEFAULT = ColumnMapping()


def as_json(value: Any) -> Any:
    """The value in JSON's types: dates and UUIDs as ISO strings, Decimal as a number, NaN as None.
    Raises ValueError for what JSON cannot represent."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        named = {str(k): as_json(v) for k, v in value.items()}
        if len(named) < len(value):
            raise ValueError("two keys that are written alike")
        return named
    if isinstance(value, list | tuple):
        return [as_json(v) for v in value]
    if callable(getattr(value, "tolist", None)):  # numpy's scalars and arrays
        return as_json(value.tolist())
    raise ValueError(type(value).__name__)


def as_id(value: Any) -> Any:
    """An id as text where its type is one that is written in one way; else as JSON has it. Raises
    ValueError."""
    if isinstance(value, Decimal) and value.is_finite():
        # a float would make one of two long ones
        return format(value.normalize(), "f") if value.adjusted() < MAX_DIGITS else str(value)
    return as_json(value)


def _number(value: Decimal) -> int | float | None:
    if not value.is_finite():
        return None
    if value.adjusted() < MAX_DIGITS and value == value.to_integral_value():
        return int(value)
    number = float(value)
    return number if number - number == 0 else None
