"""What an answer holds before it is checked against the schema and the text."""

from __future__ import annotations

from dataclasses import dataclass, field

from ruie.records import Reject


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item as written, before it is checked. `parts` has `Task.arity` strings."""

    type: str
    parts: tuple[str, ...]
    raw: str


@dataclass(slots=True)
class Reading:
    """An answer in one form. none_stated: it says somewhere that there is nothing. certain: it is
    in this form and no other."""

    candidates: list[Candidate] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    none_stated: bool = False
    certain: bool = False
