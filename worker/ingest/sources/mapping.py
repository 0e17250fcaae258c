"""Which columns of a source are a document's text, id and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any


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
    """The value in JSON's types: dates as ISO strings, Decimal as a number, NaN as None. Raises
    ValueError for what JSON cannot represent."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(k): as_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(v) for v in value]
    if callable(getattr(value, "tolist", None)):  # numpy's scalars and arrays
        return as_json(value.tolist())
    raise ValueError(type(value).__name__)
