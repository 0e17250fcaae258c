"""Which columns of a source are a document's text, id and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Names of columns. `metadata` None: all that are neither text nor id."""

    text: str = "text"
    id: str = "id"
    metadata: tuple[str, ...] | None = None

    def row(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """A row under the names `text` and `id`. A column of those names that is not mapped is
        left out: it cannot be told from the mapped one."""
        if self == DEFAULT:
            return dict(given)
        kept = (k for k in given if k not in (self.text, self.id, "text", "id"))
        names = kept if self.metadata is None else (k for k in self.metadata if k in given)
        made = {k: given[k] for k in names if k not in ("text", "id")}
        if self.text in given:
            made["text"] = given[self.text]
        if self.id in given:
            made["id"] = given[self.id]
        return made


DEFAULT = ColumnMapping()


def as_json(value: Any) -> Any:
    """A value as JSON has it: dates as ISO strings, Decimal as a number, NaN as None. Raises
    ValueError for what JSON has not."""
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
