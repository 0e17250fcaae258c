"""Metadata and ids as both databases hold them: every row of every source passes here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ruie.db.types import storable

MAX_DEPTH = 200
"""Lists and objects in each other: Python, SQLite and PostgreSQL all read as many."""
MAX_DIGITS = 4300
"""Of a whole number: Python writes no longer one."""
_TOO_LONG = 10**MAX_DIGITS
_EXACT = 2.0**53


class UnstorableError(ValueError):
    """The message is the reason of a refusal."""


def storable_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata as it is stored. NUL and halves of surrogate pairs become U+FFFD, in keys too;
    a number that is not finite becomes None. Raises `UnstorableError` for what JSON has not, for
    two keys that are the same by then, and for what is too deep or too long."""
    return _object(metadata, 1)


def _object(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, one in value.items():
        name = storable(str(key))
        if name in kept:
            raise UnstorableError(f"repeats the key '{name[:100]}'")
        kept[name] = one if one is None or one is True or one is False else _storable(one, depth)
    return kept


def _storable(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return storable(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) >= _TOO_LONG:
            raise UnstorableError(f"has a number of more than {MAX_DIGITS} digits")
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if depth >= MAX_DEPTH:
        raise UnstorableError(f"is nested too deeply (more than {MAX_DEPTH} levels)")
    if isinstance(value, Mapping):
        return _object(value, depth + 1)
    if isinstance(value, list | tuple):
        kept = []
        for one in value:
            kept.append(_storable(one, depth + 1))
        return kept
    raise UnstorableError(f"has a value that JSON has not ({type(value).__name__})")


def id_text(value: object) -> str | None:
    """An id as text: 1.0 is "1", 2.5 is "2.5". None where there is none: null, an empty string, a
    number that is not finite. Raises `UnstorableError` for anything else."""
    if value is None:
        return None
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= _TOO_LONG:
            raise UnstorableError(f"'id' has more than {MAX_DIGITS} digits")
        return str(int(value))
    if isinstance(value, float):
        if value - value != 0:
            return None
        # beyond that a float has not every whole number, and its digits would be invented
        return str(int(value)) if value == int(value) and abs(value) < _EXACT else repr(value)
    raise UnstorableError("'id' is neither a string nor a number")
